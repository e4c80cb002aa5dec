"""Long lists of faults, told by their first cases."""

import os

EXAMPLES = 3


def example_lines(name, cases, root):
    """Return the first of some sentences as lines of text behind `name`; paths below `root` are cut to it."""
    prefix = os.path.abspath(root) + os.sep
    lines = [f"{name}: {case.replace(prefix, '')}" for case in cases[:EXAMPLES]]
    if len(cases) > EXAMPLES:
        lines.append(f"{name}: and {len(cases) - EXAMPLES} more")
    return lines
