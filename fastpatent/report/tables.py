"""Tables: of metrics for a terminal, and in a form that can be written in any markup."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fastpatent.evaluation.intervals import Figure
from fastpatent.evaluation.pipeline import SetResult
from fastpatent.evaluation.retrieval import FEW, Evaluation
from fastpatent.report.page import MOST
from fastpatent.retrieval.metrics import RECALLS, table_metrics
from fastpatent.text import escaped, one_line

# metrics of the line that a training logs after an evaluation; those of texts where there are some
SHORT = ("mAP", "Acc@1", "Acc@5", *RECALLS, "mean-R")
NOTHING = "–"


@dataclass
class TextTable:
    """One table of text.

    Attributes:
        title, note: heading, and explanation below it.
        columns: headings.
        rows: cells, as many per row as `columns`, each a `short_line`; empty if there is nothing to show, the note then
            gives the reason.
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

    def __post_init__(self) -> None:
        self.rows = [[one_line(cell, MOST) for cell in cells] for cells in self.rows]


def metrics_table(rows: Sequence[tuple[str, Evaluation]]) -> Table:
    """Lay out evaluations as a table.

    Args:
        rows: (system, Evaluation). Where identities are unknown there is nothing to measure, and the row says so. Below
            the figures of few queries are their 95% intervals, below the table what else makes them doubtful.
    """
    columns = table_metrics()
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column("system")
    table.add_column("queries in gallery")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for system, evaluation in rows:
        splits, summary = evaluation.splits, evaluation.summary
        size = f"{splits.name} {len(splits.query)} in {len(splits.gallery)}"
        figures = [_with_interval(evaluation, name) for name in columns] if summary else ["-"] * len(columns)
        table.add_row(system, size if summary else f"{size}, no labels", *figures)
    notes = dict.fromkeys(f"warning: {of.splits.name}: {warning}" for _, of in rows for warning in of.warnings)
    if any(evaluation.intervals for _, evaluation in rows):
        notes[f"below each figure of fewer than {FEW} queries: its 95% interval, bootstrapped over patents"] = None
    table.caption = Text("\n".join(map(escaped, notes))) if notes else None
    table.caption_justify, table.caption_style = "left", ""
    return table


def _with_interval(evaluation: Evaluation, name: str) -> Text:
    figure = f"{evaluation.summary[name]:.4f}"
    return Text(f"{figure}\n{interval_text(evaluation.intervals[name])}" if evaluation.intervals else figure)


def interval_text(figure: Figure) -> str:
    """Write the ends of a 95% interval; those of a single patent, which cannot be resampled, are not known."""
    return f"{_short(figure.low)}-{_short(figure.high)}" if figure.low == figure.low else "unknown"


def _short(value: float) -> str:
    """Write a fraction in three letters, so that a table of intervals is as wide as one of figures: .07, 1.0."""
    return "1.0" if value >= 0.995 else f"{value:.2f}"[1:]


def short_metrics(result: SetResult) -> str:
    """Write the first metrics of a result in one line, with the intervals of few queries and what makes them doubtful."""
    last, summary = result.evaluations[-1], result.summary
    figures = [
        f"{name} {summary[name]:.4f}" + (f" [{interval_text(last.intervals[name])}]" if name in last.intervals else "")
        for name in SHORT
        if name in summary
    ]
    return "  ".join([*(figures or ["no labels, no metrics"]), *(f"warning: {warning}" for warning in last.warnings)])
