"""Classic features of one grey drawing: no network, and no training but that of a vocabulary."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np

from fastpatent.data.image import read_drawing
from fastpatent.data.workers import map_in_order
from fastpatent.registry import DESCRIPTORS

__all__ = ["DESCRIPTORS", "Descriptor", "describe_drawings"]


class Descriptor(NamedTuple):
    """A classic feature, registered under its name.

    Attributes:
        describe: function of a drawing, uint8 [height, width], and where there is `learn` of the vocabulary, that returns
            float32 [dim]; importable by name.
        metric: how two rows are compared, as TEST.METRIC.
        learn: function (paths of drawings, settings of DESCRIPTOR.VOCABULARY as words, dim, with seed, workers, on_drawing)
            that returns the vocabulary, a dict of float32 arrays; None where none is needed.
    """

    describe: Callable
    metric: str = "cosine"
    learn: Callable | None = None


def describe_drawings(descriptor, samples, vocabulary=None, workers=0, on_drawing=None):
    """Describe drawings, in order.

    Args:
        descriptor: Descriptor.
        samples: list of Sample.
        vocabulary: what `descriptor.learn` returned; None where there is none.
        workers: processes that read and describe; 0 does it in this one.
        on_drawing: called with the number of drawings done.

    Returns:
        float32 [drawings, dim].
    """
    rows = []
    work = partial(_describe, descriptor.describe, vocabulary)
    with closing(map_in_order(work, [sample.path for sample in samples], workers)) as described:
        for row in described:
            rows.append(row)
            if on_drawing:
                on_drawing(len(rows))
    return np.stack(rows)


def _describe(describe, vocabulary, path):
    drawing = read_drawing(path)
    return describe(drawing) if vocabulary is None else describe(drawing, vocabulary)
