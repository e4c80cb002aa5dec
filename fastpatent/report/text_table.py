"""A table that can be written in any markup, for the Markdown file and the HTML page."""

from dataclasses import dataclass, field

NOTHING = "–"


@dataclass
class TextTable:
    """One table of text.

    Attributes:
        title, note: heading, and explanation below it.
        columns: headings.
        rows: cells, as many per row as `columns`; empty if there is nothing to show, the note then gives the reason.
        best: (row, column) of the cells to highlight.
        figures: whether all columns but the first hold numbers.
        published: number of rows at the end with published figures.
    """

    title: str
    note: str
    columns: list[str]
    rows: list[list[str]]
    best: set[tuple[int, int]] = field(default_factory=set)
    figures: bool = True
    published: int = 0
