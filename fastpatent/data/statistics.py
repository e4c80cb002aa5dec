"""Statistics of the drawings of a data set: detail, ink, sizes, drawings per patent (DeepPatent paper, section 3.3)."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from fastpatent.data.image import MOST_PIXELS, read_drawing
from fastpatent.data.records import Sample, Splits
from fastpatent.data.workers import map_in_order
from fastpatent.errors import DataError

ALL = "all"  # the group of all samples
INK = 128  # darker values are ink, as for the stroke style
COMPONENTS, INK_SHARE, WIDTH, HEIGHT, ASPECT, PER_PATENT = QUANTITIES = (
    "connected components",
    "ink share",
    "width, px",
    "height, px",
    "width / height",
    "drawings a patent",
)
PUBLISHED_COMPONENTS = {"DeepPatent": 705, "ImageNet-Sketch": 244, "Sketchy": 2}  # medians in the paper


class Measures(NamedTuple):
    """One drawing: connected components of ink, share of its pixels that are ink (0..1), and size in pixels."""

    components: int
    ink: float
    width: int
    height: int


class Summary(NamedTuple):
    """The distribution of one quantity: median, 5th and 95th percentile, smallest, largest, mean."""

    median: float
    low: float
    high: float
    smallest: float
    largest: float
    mean: float


def measure(drawing: np.ndarray) -> Measures:
    """Measure one drawing.

    Components are 8-connected: with 4-connectivity, a thin oblique line would break up into single pixels.

    Args:
        drawing: uint8 [height, width], 0 ink .. 255 paper.
    """
    ink = (drawing < INK).view(np.uint8)
    labels, _ = cv2.connectedComponents(ink, connectivity=8)
    height, width = ink.shape
    return Measures(labels - 1, float(ink.mean()), width, height)  # the background is a label too


def measure_drawings(
    paths: Sequence[str],
    workers: int = 0,
    progress: Callable[[int, int], object] | None = None,
    most: int = MOST_PIXELS,
) -> tuple[dict[str, Measures], list[str]]:
    """Read and measure drawings.

    Args:
        paths: file names.
        workers: processes that read; 0 reads in this one.
        progress: function of (drawings read, total), or None.
        most: how many pixels a drawing may have.

    Returns:
        ({path: Measures}, one message per unreadable drawing).
    """
    measures: dict[str, Measures] = {}
    faults: list[str] = []
    with closing(map_in_order(partial(_measure_file, most=most), paths, workers)) as results:
        for done, (path, result) in enumerate(zip(paths, results), 1):
            if isinstance(result, Measures):
                measures[path] = result
            else:
                faults.append(result)
            if progress:
                progress(done, len(paths))
    return measures, faults


def grouped_samples(sets: Iterable[tuple[Splits, Collection[str]]]) -> dict[str, list[Sample]]:
    """Sort the samples of some data sets into groups for comparison.

    Args:
        sets: (Splits, its used parts).

    Returns:
        {name: samples}: "<data set> train" and "<data set> <stage>" for queries and gallery together, where not empty, and
        ALL where there are several; each sample appears once per group.
    """
    groups: dict[str, list[Sample]] = {}
    for splits, parts in sets:
        for part in parts:
            stage = "train" if part == "train" else splits.stage
            groups.setdefault(f"{splits.name} {stage}", []).extend(getattr(splits, part))
    if len(groups) > 1:
        groups[ALL] = [sample for samples in groups.values() for sample in samples]
    return {name: list(dict.fromkeys(samples)) for name, samples in groups.items() if samples}


def quantities(samples: Sequence[Sample], measures: Mapping[str, Measures]) -> dict[str, np.ndarray]:
    """Return {name: float64 array [values]} for every name of QUANTITIES.

    Drawings per patent are counted in the lists, of labelled samples; all else is of the readable drawings.

    Args:
        samples: each once.
        measures: {path: Measures} of the readable ones.
    """
    read = [measures[sample.path] for sample in samples if sample.path in measures]
    components, ink, width, height = np.array(read, np.float64).reshape(-1, len(Measures._fields)).T
    listed = Counter(sample.identity for sample in samples if sample.identity is not None)
    values = components, ink, width, height, width / height, np.array(list(listed.values()), np.float64)
    return dict(zip(QUANTITIES, values))


def summarise(values: np.ndarray) -> Summary:
    """Return the Summary of an array of at least one value; percentiles are interpolated."""
    low, median, high = np.percentile(values, [5, 50, 95])
    return Summary(*map(float, (median, low, high, values.min(), values.max(), values.mean())))


def _measure_file(path: str, most: int) -> Measures | str:
    """Return the Measures of a file, or an error message."""
    try:
        return measure(read_drawing(path, most=most))
    except DataError as error:
        return str(error)
