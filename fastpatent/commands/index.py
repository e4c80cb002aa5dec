"""`fastpatent index`: build an index of drawings, add to it, remove from it, describe and check it."""

from collections.abc import Sequence

from fastpatent.commands.actions import run_action

ACTIONS = {
    "build": "an index of the drawings of a folder or list: fastpatent index build FOLDER|LIST --out INDEX",
    "add": "what is new or was changed in a folder or list: fastpatent index add INDEX FOLDER|LIST",
    "remove": "patents, by name, and drawings, by path: fastpatent index remove INDEX PATENT|PATH...",
    "info": "what an index has, and of which network: fastpatent index info INDEX",
    "verify": "checksums, counts, vectors, and some drawings extracted again: fastpatent index verify INDEX",
}


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run `fastpatent index ACTION ...`; return its exit status, 2 for an unknown action."""
    return run_action("index", ACTIONS, "ACTION ...", "index_actions", argv)
