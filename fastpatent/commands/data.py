"""`fastpatent data`: build, check and pack data sets."""

import importlib
import sys
from collections.abc import Sequence

from fastpatent.errors import nearest

ACTIONS = {
    "build": "a data set from the patent office's weekly archives: fastpatent data build ARCHIVE... --out DIR",
    "check": "missing, unreadable, duplicate, leaked and unmatched images",
    "stats": "statistics of the images: components, ink, sizes, images per patent; table and histograms",
    "pack": "decode and resize every image once, for all later runs; verify and repair a pack",
    "extend": "the extended test database from the lists that are there",
}


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run `fastpatent data ACTION ...`; return its exit status, 2 for an unknown action."""
    action, *rest = argv or [""]
    if action in ("-h", "--help", ""):
        print("usage: fastpatent data ACTION --config-file F KEY VALUE...\n")
        print("\n".join(f"  {name:8s} {what}" for name, what in ACTIONS.items()))
        return 0 if action else 2
    if action not in ACTIONS:
        print(f"error: fastpatent data has no action {action!r}{nearest(action, ACTIONS)}", file=sys.stderr)
        return 2
    return getattr(importlib.import_module(f"fastpatent.commands.{action}"), action)(rest)
