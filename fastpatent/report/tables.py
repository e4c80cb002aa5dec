"""Metrics of several systems in one table."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from fastpatent.evaluation.retrieval import Evaluation

COLUMNS = ("mAP", "Acc@1", "Acc@5", "Acc@10", "Acc@20", "mAP@10", "mINP")


def metrics_table(rows: list[tuple[str, Evaluation]]) -> Table:
    """Return the metrics of evaluations as a table.

    Args:
        rows: list of (system, Evaluation); the row of one without metrics reports "no labels".
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("system")
    table.add_column("queries in database")
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for system, evaluation in rows:
        splits, summary = evaluation.splits, evaluation.summary
        size = f"{splits.name} {len(splits.query)} in {len(splits.gallery)}"
        figures = [f"{summary[name]:.4f}" for name in COLUMNS] if summary else ["-"] * len(COLUMNS)
        table.add_row(system, size if summary else f"{size}, no labels", *figures)
    return table


def short_metrics(summary: dict[str, float]) -> str:
    """Return the first metrics of a summary in one line."""
    return "  ".join(f"{name} {summary[name]:.4f}" for name in COLUMNS[:3]) if summary else "no labels, no metrics"
