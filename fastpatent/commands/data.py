"""`fastpatent data`: make and look after data sets."""

import importlib

ACTIONS = {
    "build": "a data set from the patent office's weekly archives: fastpatent data build ARCHIVE... --out DIR",
    "check": "missing, unreadable, duplicate, leaked and unmatched drawings",
    "stats": "what the drawings are like: components, ink, sizes, drawings a patent; table and histograms",
    "pack": "decode and resize every drawing once, for all later runs; verify and repair what is packed",
    "extend": "the extended test database from the lists that are there",
}


def main(argv=None):
    """Run `fastpatent data ACTION ...`; return its exit status, 2 for words that are no action."""
    action, *rest = argv or [""]
    if action not in ACTIONS:
        print("usage: fastpatent data ACTION --config-file F KEY VALUE...\n")
        print("\n".join(f"  {name:8s} {what}" for name, what in ACTIONS.items()))
        return 0 if action in ("-h", "--help") else 2
    return getattr(importlib.import_module(f"fastpatent.commands.{action}"), action)(rest)
