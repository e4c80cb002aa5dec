"""Classic descriptors of a grey drawing: no network; only some need training, of a vocabulary."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np

from fastpatent.data.image import read_drawing
from fastpatent.data.quarantine import Quarantine
from fastpatent.data.records import Sample
from fastpatent.data.workers import map_in_order
from fastpatent.errors import DataError
from fastpatent.registry import DESCRIPTORS

__all__ = ["DESCRIPTORS", "Descriptor", "describe_drawings"]


class Descriptor(NamedTuple):
    """A classic descriptor, registered under its name.

    Attributes:
        describe: function (drawing uint8 [height, width]) -> float32 [dim], with the vocabulary as second argument if there
            is `learn`; importable by name.
        metric: distance between two rows, as TEST.METRIC.
        learn: function (paths, words, dim, seed, workers, on_drawing, read) -> vocabulary, a dict of float32 arrays; words
            and dim are those of DESCRIPTOR.VOCABULARY, `read` as in `describe_drawings`. None if no vocabulary is needed.
        accepts: function of a vocabulary from a file -> whether `learn` could have returned it.
    """

    describe: Callable[..., np.ndarray]
    metric: str = "cosine"
    learn: Callable[..., dict[str, np.ndarray]] | None = None
    accepts: Callable[[dict[str, np.ndarray]], bool] = bool


def describe_drawings(
    descriptor: Descriptor,
    samples: Sequence[Sample],
    vocabulary: dict[str, np.ndarray] | None = None,
    workers: int = 0,
    on_drawing: Callable[[int], None] | None = None,
    read: Callable[[str], np.ndarray] = read_drawing,
    quarantine: Quarantine | None = None,
) -> np.ndarray:
    """Describe drawings, in order.

    Args:
        descriptor: Descriptor.
        samples: list of Sample.
        vocabulary: result of `descriptor.learn`; None for a descriptor without one.
        workers: worker processes; 0 runs in this process.
        on_drawing: called with the number of drawings done.
        read: picklable function of a path -> uint8 [height, width].
        quarantine: of the drawings that cannot be read; None allows none.

    Returns:
        float32 [drawings, dim]; NaN in the rows of drawings that cannot be read.

    Raises:
        DataError: more drawings than `quarantine` allows cannot be read.
    """
    rows: list[np.ndarray | None] = []
    quarantine = quarantine or Quarantine(samples)
    work = partial(_describe, descriptor.describe, vocabulary, read)
    with closing(map_in_order(work, [sample.path for sample in samples], workers)) as described:
        for row in described:
            if isinstance(row, str):
                quarantine.add({len(rows): row})
            rows.append(None if isinstance(row, str) else row)
            if on_drawing:
                on_drawing(len(rows))
    missing = np.full_like(next(row for row in rows if row is not None), np.nan)
    return np.stack([missing if row is None else row for row in rows])


def _describe(
    describe: Callable[..., np.ndarray],
    vocabulary: dict[str, np.ndarray] | None,
    read: Callable[[str], np.ndarray],
    path: str,
) -> np.ndarray | str:
    """Return the row of one drawing, or why it cannot be read."""
    try:
        drawing = read(path)
    except DataError as error:
        return str(error)
    return describe(drawing) if vocabulary is None else describe(drawing, vocabulary)
