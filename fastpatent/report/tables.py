"""Figures of several systems side by side."""
from rich.table import Table

COLUMNS = ("mAP", "Acc@1", "Acc@5", "Acc@10", "Acc@20", "mAP@10", "mINP")


def metrics_table(rows):
    """Lay out evaluations as a table.

    Args:
        rows: list of (system, Evaluation). Where identities are unknown there is nothing to measure and the row says so.

    Returns:
        rich Table.
    """
    table = Table(title_justify="left", show_edge=False)
    table.add_column("system")
    table.add_column("data set")
    for name in ("queries", "database", *COLUMNS):
        table.add_column(name, justify="right")
    for system, evaluation in rows:
        splits, summary = evaluation.splits, evaluation.summary
        figures = [f"{summary[name]:.4f}" for name in COLUMNS] if summary else ["no labels"] + ["-"] * (len(COLUMNS) - 1)
        table.add_row(system, splits.name, str(len(splits.query)), str(len(splits.gallery)), *figures)
    return table


def short_metrics(summary):
    """Write the first figures of a summary in one line."""
    return "  ".join(f"{name} {summary[name]:.4f}" for name in COLUMNS[:3]) if summary else "no labels, nothing to measure"
