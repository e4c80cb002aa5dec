"""What the drawings of a data set are like: detail, ink, sizes, drawings a patent (DeepPatent paper, section 3.3)."""

from collections import Counter
from contextlib import closing
from typing import NamedTuple

import cv2
import numpy as np

from fastpatent.data.image import read_drawing
from fastpatent.data.workers import map_in_order
from fastpatent.errors import DataError

ALL = "all"  # the group of everything
INK = 128  # darker than this is ink, as for the stroke style
COMPONENTS, INK_SHARE, WIDTH, HEIGHT, ASPECT, PER_PATENT = QUANTITIES = (
    "connected components",
    "ink share",
    "width, px",
    "height, px",
    "width / height",
    "drawings a patent",
)
PUBLISHED_COMPONENTS = {"DeepPatent": 705, "ImageNet-Sketch": 244, "Sketchy": 2}  # medians that the paper gives


class Measures(NamedTuple):
    """One drawing: connected components of ink, share of its pixels that are ink (0..1), and size in pixels."""

    components: int
    ink: float
    width: int
    height: int


class Summary(NamedTuple):
    """Where the values of one quantity lie: median, 5th and 95th percentile, smallest, largest, mean."""

    median: float
    low: float
    high: float
    smallest: float
    largest: float
    mean: float


def measure(drawing):
    """Measure one drawing.

    Pixels that touch at a corner belong together (8-connectivity): a thin oblique line would else fall apart into them.

    Args:
        drawing: uint8 [height, width], 0 ink .. 255 paper.

    Returns:
        Measures.
    """
    ink = (drawing < INK).view(np.uint8)
    labels, _ = cv2.connectedComponents(ink, connectivity=8)
    height, width = ink.shape
    return Measures(labels - 1, float(ink.mean()), width, height)  # the paper is a label too


def measure_drawings(paths, workers=0, progress=None):
    """Read and measure drawings.

    Args:
        paths: list of file names.
        workers: processes that read; 0 reads in this one.
        progress: function of (drawings read, drawings), or None.

    Returns:
        ({path: Measures}, list of a sentence for each drawing that cannot be read).
    """
    measures, faults = {}, []
    with closing(map_in_order(_measure_file, paths, workers)) as results:
        for done, (path, result) in enumerate(zip(paths, results), 1):
            if isinstance(result, Measures):
                measures[path] = result
            else:
                faults.append(result)
            if progress:
                progress(done, len(paths))
    return measures, faults


def grouped_samples(sets):
    """Sort the samples of some data sets into groups to be looked at side by side.

    Args:
        sets: list of (Splits, parts of it that are used).

    Returns:
        {name: list of Sample}: "<data set> train", "<data set> <stage>" for queries and gallery together, those that hold
        drawings, and ALL where there are several; a drawing stands once in each.
    """
    groups = {}
    for splits, parts in sets:
        for part in parts:
            stage = "train" if part == "train" else splits.stage
            groups.setdefault(f"{splits.name} {stage}", []).extend(getattr(splits, part))
    if len(groups) > 1:
        groups[ALL] = [sample for samples in groups.values() for sample in samples]
    return {name: list(dict.fromkeys(samples)) for name, samples in groups.items() if samples}


def quantities(samples, measures):
    """Return {name: float64 array} for every name of QUANTITIES.

    Drawings a patent are counted as listed, of patents that are told; everything else is of the drawings that could be read.

    Args:
        samples: list of Sample, each once.
        measures: {path: Measures}.
    """
    read = [measures[sample.path] for sample in samples if sample.path in measures]
    components, ink, width, height = np.array(read, np.float64).reshape(-1, len(Measures._fields)).T
    listed = Counter(sample.identity for sample in samples if sample.identity is not None)
    values = components, ink, width, height, width / height, np.array(list(listed.values()), np.float64)
    return dict(zip(QUANTITIES, values))


def summarise(values):
    """Return the Summary of an array of at least one value; percentiles are interpolated."""
    low, median, high = np.percentile(values, [5, 50, 95])
    return Summary(*map(float, (median, low, high, values.min(), values.max(), values.mean())))


def _measure_file(path):
    """Return the Measures of a file, or what is wrong with it."""
    try:
        return measure(read_drawing(path))
    except DataError as error:
        return str(error)
