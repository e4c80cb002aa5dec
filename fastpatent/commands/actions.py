"""Jobs of several actions, `fastpatent data pack`: the list of them, and the call of one."""

import importlib
import sys
from collections.abc import Mapping, Sequence

from fastpatent.errors import nearest


def run_action(job: str, actions: Mapping[str, str], usage: str, module: str, argv: Sequence[str] | None) -> int | None:
    """Run `fastpatent JOB ACTION ...`; return its exit status, 2 for an unknown action.

    Args:
        job: its name.
        actions: {name: what it does}.
        usage: what follows the job in the usage line.
        module: in this package, with a function of the action's name; {} stands for that name.
        argv: words after the job.
    """
    action, *rest = argv or [""]
    if action in ("-h", "--help", ""):
        print(f"usage: fastpatent {job} {usage}\n")
        print("\n".join(f"  {name:8s} {what}" for name, what in actions.items()))
        return 0 if action else 2
    if action not in actions:
        print(f"error: fastpatent {job} has no action {action!r}{nearest(action, actions)}", file=sys.stderr)
        return 2
    return getattr(importlib.import_module(f"fastpatent.commands.{module.format(action)}"), action)(rest)
