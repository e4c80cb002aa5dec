"""A table that is written in any markup: what the Markdown file and the page show of a result."""

from dataclasses import dataclass, field

NOTHING = "–"


@dataclass
class TextTable:
    """One table, ready to be written in any markup.

    Attributes:
        title, note: what it shows, and how to read it.
        columns: list of str; the first is of words, the others of figures where `figures` is set.
        rows: list of lists of str, as long as `columns`; none where there is nothing to show and the note says why.
        best: set of (row, column) to stand out.
        figures: whether all columns but the first hold figures.
        published: how many rows at the end others printed.
    """

    title: str
    note: str
    columns: list
    rows: list
    best: set = field(default_factory=set)
    figures: bool = True
    published: int = 0
