"""Tables and texts as Markdown."""

import re
from collections.abc import Iterable, Sequence

from fastpatent.report.page import MOST
from fastpatent.text import short_line


def escape_markdown(text: str) -> str:
    """Return a text on one line with its markup escaped; an underscore inside a word is none."""
    return re.sub(r"[\\|*`<\[~]|(?<!\w)_|_(?!\w)", r"\\\g<0>", short_line(text, MOST))


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[bool]) -> str:
    """Return a table.

    Args:
        columns: headings, which are escaped.
        rows: cells, which are not.
        numbers: of each column, whether it is aligned to the right.
    """
    align = ["---:" if right else "---" for right in numbers]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [map(escape_markdown, columns), align, *rows])
