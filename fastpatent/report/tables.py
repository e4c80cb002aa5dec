"""Metrics of several systems side by side."""

import logging
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from fastpatent.evaluation.pipeline import SetResult
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.report.text_image import text_image_table
from fastpatent.retrieval.metrics import table_metrics

SHORT = ("mAP", "Acc@1", "Acc@5", "mean-R")  # metrics of the line that a training logs after an evaluation
logger = logging.getLogger(__name__)


def report_results(results: Sequence[SetResult]) -> None:
    """Log one table of the metrics of images, and one for each data set whose texts were measured."""
    logger.info(metrics_table([(of.name, of) for result in results for of in result.evaluations]))
    for result in results:
        if result.texts:
            logger.info(f"{result.splits.name}: images and their texts")
            logger.info(text_image_table([(result.evaluations[0].name, result.texts)]))


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
