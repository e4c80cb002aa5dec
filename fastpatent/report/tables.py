"""Tables: of metrics for a terminal, and in a form that can be written in any markup."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.table import Table

from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.retrieval.metrics import RECALLS, table_metrics

# metrics of the line that a training logs after an evaluation; those of texts where there are some
SHORT = ("mAP", "Acc@1", "Acc@5", *RECALLS, "mean-R")
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


def metrics_table(rows: Sequence[tuple[str, Evaluation]]) -> Table:
    """Lay out evaluations as a table.

    Args:
        rows: (system, Evaluation). Where identities are unknown there is nothing to measure, and the row says so.
    """
    columns = table_metrics()
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("system")
    table.add_column("queries in gallery")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for system, evaluation in rows:
        splits, summary = evaluation.splits, evaluation.summary
        size = f"{splits.name} {len(splits.query)} in {len(splits.gallery)}"
        figures = [f"{summary[name]:.4f}" for name in columns] if summary else ["-"] * len(columns)
        table.add_row(system, size if summary else f"{size}, no labels", *figures)
    return table


def short_metrics(summary: dict[str, float]) -> str:
    """Write the first metrics of a summary in one line."""
    return "  ".join(f"{name} {summary[name]:.4f}" for name in SHORT if name in summary) or "no labels, no metrics"
