"""Classic descriptors of a grey drawing: no network; only some need training, of a vocabulary."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np

from fastpatent.data.image import read_drawing
from fastpatent.data.records import Sample
from fastpatent.data.workers import map_in_order
from fastpatent.registry import DESCRIPTORS

__all__ = ["DESCRIPTORS", "Descriptor", "describe_drawings"]


class Descriptor(NamedTuple):
    """A classic descriptor, registered under its name.

    Attributes:
        describe: function (drawing uint8 [height, width]) -> float32 [dim], with the vocabulary as second argument if there
            is `learn`; importable by name.
        metric: distance between two rows, as TEST.METRIC.
        learn: function (paths, words, dim, seed, workers, on_drawing) -> vocabulary, a dict of float32 arrays; words and dim
            are those of DESCRIPTOR.VOCABULARY. None if no vocabulary is needed.
    """

    describe: Callable[..., np.ndarray]
    metric: str = "cosine"
    learn: Callable[..., dict[str, np.ndarray]] | None = None


def describe_drawings(
    descriptor: Descriptor,
    samples: Sequence[Sample],
    vocabulary: dict[str, np.ndarray] | None = None,
    workers: int = 0,
    on_drawing: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Describe drawings, in order.

    Args:
        descriptor: Descriptor.
        samples: list of Sample.
        vocabulary: result of `descriptor.learn`; None for a descriptor without one.
        workers: worker processes; 0 runs in this process.
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


def _describe(describe: Callable[..., np.ndarray], vocabulary: dict[str, np.ndarray] | None, path: str) -> np.ndarray:
    drawing = read_drawing(path)
    return describe(drawing) if vocabulary is None else describe(drawing, vocabulary)
