"""`fastpatent data`: build, check and pack data sets."""

from collections.abc import Sequence

from fastpatent.commands.actions import run_action

ACTIONS = {
    "build": "a data set from the patent office's weekly archives: fastpatent data build ARCHIVE... --out DIR",
    "check": "missing, unreadable, duplicate, leaked and unmatched images",
    "stats": "statistics of the images: components, ink, sizes, images per patent; table and histograms",
    "pack": "decode and resize every image once, for all later runs; verify and repair a pack",
    "extend": "the extended test database from the lists that are there",
}


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run `fastpatent data ACTION ...`; return its exit status, 2 for an unknown action."""
    return run_action("data", ACTIONS, "ACTION --config-file F KEY VALUE...", "{}", argv)
