"""Text-to-image and image-to-text retrieval as tables."""

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fastpatent.evaluation.text_image import DEPTHS, DIRECTIONS, PAIR, PATENT, Retrieval, TextImageMetrics
from fastpatent.report.tables import NOTHING, TextTable

TITLES = {PAIR: "One right answer", PATENT: "Any of the same patent"}
CHANCE = "random ranking"
COLUMNS = (*(f"R@{k}" for k in DEPTHS), "median rank")

SHOMEE = "Shomee et al., NeurIPS 2024"
# By pair, 5,000 pairs, in percent: R@1, R@5, R@10 of text to image, then of image to text
PUBLISHED: dict[str, tuple[float, ...]] = {
    "ResNet50, zero-shot, titles": (0.52, 2.10, 3.32, 0.20, 0.72, 1.64),
    "ResNet101, zero-shot, titles": (1.02, 3.20, 4.72, 0.30, 0.82, 1.28),
    "ViT-B-32, zero-shot, titles": (1.06, 3.54, 5.56, 0.38, 1.62, 2.60),
    "ViT-L-14, zero-shot, titles": (2.78, 7.38, 10.40, 1.16, 4.30, 7.32),
    "ResNet50, zero-shot, captions": (0.82, 2.52, 4.08, 0.78, 2.32, 3.48),
    "ResNet101, zero-shot, captions": (1.44, 4.52, 6.48, 0.98, 2.98, 4.96),
    "ViT-B-32, zero-shot, captions": (1.98, 5.24, 7.42, 1.06, 4.26, 6.32),
    "ViT-L-14, zero-shot, captions": (4.46, 10.74, 15.16, 3.42, 8.90, 12.88),
    "ResNet50, fine-tuned, captions": (5.38, 15.52, 22.70, 5.90, 16.60, 23.86),
    "ResNet101, fine-tuned, captions": (7.44, 20.60, 28.48, 7.02, 19.70, 27.58),
    "ViT-B-32, fine-tuned, captions": (10.24, 25.56, 35.06, 9.88, 25.90, 35.08),
    "ViT-L-14, fine-tuned, captions": (20.58, 43.14, 53.00, 20.44, 42.34, 52.56),
}


def text_image_table(rows: list[tuple[str, TextImageMetrics]]) -> Table:
    """Return recall in percent and median rank for a terminal, with the recall of a random ranking.

    Args:
        rows: list of (system, TextImageMetrics), all of one set of pairs.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, caption=size_of(rows[0][1]), caption_justify="left")
    table.add_column("percent", overflow="fold")
    for direction in DIRECTIONS:
        for number, name in enumerate(COLUMNS):
            heading = f"{'' if number else direction}\n{name}".replace(" rank", "")
            table.add_column(Text(heading), justify="right", no_wrap=True)
    for right, title in TITLES.items():
        table.add_section()
        table.add_row(Text(title, style="bold"))
        for system, metrics in rows:
            table.add_row(f"  {system}", *_cells(metrics, right, intervals=False))
        table.add_row(f"  {CHANCE}", *_chance(rows[0][1], right), style="dim")
    return table


def text_image_tables(rows: list[tuple[str, TextImageMetrics]], published: bool = False) -> list[TextTable]:
    """Return a table for each definition of a right answer, with intervals.

    Args:
        rows: list of (system, TextImageMetrics), all of one set of pairs.
        published: add the IMPACT paper's figures, on its own 5,000 pairs.
    """
    columns = ["system", *(f"{direction}, {name}" for direction in DIRECTIONS for name in COLUMNS)]
    tables = []
    for right, title in TITLES.items():
        text = [[system, *_cells(metrics, right)] for system, metrics in rows]
        best = _best([_figures(metrics, right) for _, metrics in rows])
        text.append([CHANCE, *_chance(rows[0][1], right)])
        note = f"{size_of(rows[0][1])} Recall in percent ± half of the 95% interval, bootstrapped over patents."
        printed = _printed() if published and right == PAIR else []
        if printed:
            note += " Published rows are on 5,000 other pairs; they have no interval."
        tables.append(TextTable(title, note, columns, text + printed, best, published=len(printed)))
    return tables


def size_of(metrics: TextImageMetrics) -> str:
    """Return the number of pairs, and how equal texts are counted if there are any."""
    size = f"{metrics.pairs:,} pairs of a drawing and a text, of {metrics.patents:,} patents."
    if metrics.texts < metrics.pairs:
        size += f" By patent, equal texts of one patent count once, as queries and in the gallery: {metrics.texts:,} texts."
    return size


def _of(metrics: TextImageMetrics, right: str) -> list[Retrieval]:
    return [metrics.directions[direction, right] for direction in DIRECTIONS]


def _cells(metrics: TextImageMetrics, right: str, intervals: bool = True) -> list[str]:
    cells = []
    for found in _of(metrics, right):
        for mean, low, high in found.recall.values():
            cells.append(_percent(mean) + (f" ± {_percent((high - low) / 2)}" if intervals else ""))
        cells.append(f"{found.median_rank:,.1f}".removesuffix(".0"))
    return cells


def _chance(metrics: TextImageMetrics, right: str) -> list[str]:
    return [cell for found in _of(metrics, right) for cell in (*map(_percent, found.chance.values()), NOTHING)]


def _printed() -> list[list[str]]:
    rows = []
    for system, figures in PUBLISHED.items():
        cells = [f"{figure:.2f}" for figure in figures]
        rows.append([f"{system} (published: {SHOMEE})", *cells[:3], NOTHING, *cells[3:], NOTHING])
    return rows


def _figures(metrics: TextImageMetrics, right: str) -> list[float]:
    """Return the numbers that `_cells` shows, rounded the same, with ranks negated so that higher is better."""
    return [
        figure
        for found in _of(metrics, right)
        for figure in (*(round(100 * recall.mean, 2) for recall in found.recall.values()), -found.median_rank)
    ]


def _best(figures: list[list[float]]) -> set[tuple[int, int]]:
    """Return {(row, column of the table)} of the best figures; empty for a single system."""
    if len(figures) < 2:
        return set()
    shown = np.array(figures)
    return {(int(row), int(column) + 1) for row, column in np.argwhere(shown == shown.max(axis=0))}


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
