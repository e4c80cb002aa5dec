"""How queries are drawn: the ink on the sheet and the style of the strokes, measured on a bounded number of them."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from string import ascii_uppercase
from typing import NamedTuple

import numpy as np
from scipy.cluster.vq import kmeans2

from fastpatent.data.records import Sample
from fastpatent.data.workers import map_in_order
from fastpatent.descriptors.stroke_style import LONGEST, stroke_style
from fastpatent.errors import DataError
from fastpatent.evaluation.groups import UNKNOWN

STYLE, INK = "drawing style", "ink"
MOST = 1000  # queries that are read
STYLES, SHARES = 4, 4
DARK = 128  # darker values are ink, as for the stroke style


class Looks(NamedTuple):
    """What was measured.

    Attributes:
        groupings: {STYLE, INK: label of each query}, UNKNOWN of those not read; those of two labels or more.
        examples: {label of a style: the query that is nearest to its mean}.
        measured: how many queries were read.
    """

    groupings: dict[str, list[str]]
    examples: dict[str, int]
    measured: int


def measure_looks(samples: Sequence[Sample], read: Callable[[str], np.ndarray], workers: int = 0) -> Looks:
    """Measure queries, MOST of them and evenly spaced where there are more.

    A style is a cluster (k-means) of `stroke_style`; its label has the mean length of its strokes, in pixels. The ink is the
    share of dark pixels, in quarters of the queries.

    Args:
        samples: the queries.
        read: picklable function of a path -> uint8 [height, width].
        workers: processes that read.
    """
    rows = np.unique(np.linspace(0, len(samples) - 1, min(MOST, len(samples))).round().astype(np.int64))
    with closing(map_in_order(partial(_measure, read), [samples[row].path for row in rows], workers)) as measured:
        found = {int(row): looks for row, looks in zip(rows, measured) if looks is not None}
    inked = [row for row, (_, ink) in found.items() if ink]
    styles, examples = _style_labels({row: found[row][0] for row in inked})
    shares = _ink_labels({row: ink for row, (_, ink) in found.items()})
    groupings = {
        name: [labels.get(row, UNKNOWN) for row in range(len(samples))]
        for name, labels in ((STYLE, styles), (INK, shares))
        if len(set(labels.values())) > 1
    }
    return Looks(groupings, examples if STYLE in groupings else {}, len(found))


def _measure(read: Callable[[str], np.ndarray], path: str) -> tuple[np.ndarray, float] | None:
    """Return (stroke style, share of ink) of a drawing; None where it cannot be read."""
    try:
        drawing = read(path)
    except DataError:
        return None
    return stroke_style(drawing), float((drawing < DARK).mean())


def _style_labels(styles: dict[int, np.ndarray]) -> tuple[dict[int, str], dict[str, int]]:
    """Return ({query: label}, {label: example}) of {query: float32 [24]}, each with a stroke; labels by stroke length."""
    if not styles:
        return {}, {}
    rows, values = np.array(list(styles)), np.stack(list(styles.values())).astype(np.float64)
    different = np.unique(values, axis=0)
    different = different[np.argsort(_stroke_lengths(different), kind="stable")]
    start = different[np.linspace(0, len(different) - 1, min(STYLES, len(different))).round().astype(int)]
    centres, codes = kmeans2(values, start, minit="matrix", missing="warn")
    lengths = _stroke_lengths(centres)
    labels, examples = {}, {}
    for letter, code in zip(ascii_uppercase, sorted(set(codes.tolist()), key=lambda code: lengths[code])):
        label, members = f"{letter}, {lengths[code]:.1f} px", np.flatnonzero(codes == code)
        nearest = np.linalg.norm(values[members] - centres[code], axis=1).argmin()
        examples[label] = int(rows[members[nearest]])
        labels |= dict.fromkeys(rows[members].tolist(), label)
    return labels, examples


def _stroke_lengths(styles: np.ndarray) -> np.ndarray:
    """Return float64 [styles]: the mean length of the strokes, horizontal and vertical, of float [styles, 24]."""
    shares = styles**2  # square roots of shares
    return shares @ np.tile(np.arange(1, LONGEST + 1), 2) / np.maximum(shares.sum(axis=1), 1e-12)


def _ink_labels(ink: dict[int, float]) -> dict[int, str]:
    """Return {query: "1.2 to 3.4 %"}, the quarter that each share of ink is in."""
    if not ink:
        return {}
    shares = np.array(list(ink.values()))
    edges = np.quantile(shares, np.linspace(0, 1, SHARES + 1))
    quarters = np.searchsorted(edges[1:-1], shares)  # an edge belongs to the lower quarter
    return {row: f"{100 * edges[q]:.1f} to {100 * edges[q + 1]:.1f} %" for row, q in zip(ink, quarters.tolist())}
