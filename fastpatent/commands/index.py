"""`fastpatent index`: build an index of drawings, add to it, remove from it, describe and check it."""

import importlib
import sys
from collections.abc import Sequence

from fastpatent.errors import nearest

ACTIONS = {
    "build": "an index of the drawings of a folder or list: fastpatent index build FOLDER|LIST --out INDEX",
    "add": "what is new or was changed in a folder or list: fastpatent index add INDEX FOLDER|LIST",
    "remove": "patents, by name, and drawings, by path: fastpatent index remove INDEX PATENT|PATH...",
    "info": "what an index has, and of which network: fastpatent index info INDEX",
    "verify": "checksums, counts, vectors, and some drawings extracted again: fastpatent index verify INDEX",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fastpatent index ACTION ...`; return its exit status, 2 for an unknown action."""
    action, *rest = argv or [""]
    if action in ("-h", "--help", ""):
        print("usage: fastpatent index ACTION ...\n")
        print("\n".join(f"  {name:8s} {what}" for name, what in ACTIONS.items()))
        return 0 if action else 2
    if action not in ACTIONS:
        print(f"error: fastpatent index has no action {action!r}{nearest(action, ACTIONS)}", file=sys.stderr)
        return 2
    return getattr(importlib.import_module("fastpatent.commands.index_actions"), action)(rest)
