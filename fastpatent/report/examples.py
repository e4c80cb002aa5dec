"""Long lists of errors, shortened to their first cases."""

import os
from collections.abc import Sequence

EXAMPLES = 3


def example_lines(name: str, cases: Sequence[str], root: str | os.PathLike[str]) -> list[str]:
    """Return the first cases as lines `name: case`, with paths below `root` made relative, and the number of others."""
    prefix = os.path.abspath(root) + os.sep
    lines = [f"{name}: {case.replace(prefix, '')}" for case in cases[:EXAMPLES]]
    if len(cases) > EXAMPLES:
        lines.append(f"{name}: and {len(cases) - EXAMPLES} more")
    return lines
