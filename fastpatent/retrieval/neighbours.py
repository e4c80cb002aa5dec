"""The nearest neighbours of every row of a collection, in one blocked pass that computes each pair once."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import torch

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import as_features, inverse_norms
from fastpatent.retrieval.free_memory import check_room
from fastpatent.retrieval.kernel import choose_kernel
from fastpatent.retrieval.score_tiles import Rows

Find = Callable[..., tuple[np.ndarray, np.ndarray]]  # `nearest_rows`, or a `Remembered` one


def nearest_rows(sides: Sequence[np.ndarray], k: int, device: str | torch.device = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """Return the k rows nearest to each row by cosine, itself included, best first; ties go to the lower index.

    The cosine is symmetric, so half of the matrix products are enough. Memory in addition to the features: one normalised
    copy of them, a tile of products and 12 k bytes per row.

    Args:
        sides: float [rows, dim] arrays, treated as their concatenation.
        k: number of neighbours, limited to the number of rows.
        device: "cpu", or the GPU to compute on.

    Returns:
        (indices, similarities): int64 and float32 [rows, min(k, rows)].

    Raises:
        DataError: k below 1, more neighbours than fit in memory, or features not finite or of different dimension.
    """
    if k < 1:
        raise DataError(f"k must be at least 1, not {k}")
    kernel = choose_kernel(device)
    rows = Rows(_unit_rows(sides), kernel)
    k = min(k, len(rows.features))
    check_room(len(rows.features), k)
    tops = [kernel.top(len(rows.indices(number)), k) for number in range(rows.tiles)]
    for number, top in enumerate(tops):
        outer = rows.tile(number)
        for other in range(number, rows.tiles):
            products = kernel.product(outer, rows.tile(other))
            top.update(products, rows.indices(other))
            if other > number:
                tops[other].update_from_columns(products, rows.indices(number))
    results = [top.result() for top in tops]
    empty = np.zeros((0, k), np.int64), np.zeros((0, k), np.float32)
    indices, similarities = (np.concatenate(parts) for parts in zip(empty, *results))
    return indices, similarities


class Remembered:
    """`nearest_rows` that searches the same arrays once; they must not change.

    Args:
        at_least: neighbours that are searched, so that later calls with more of them find those too.
        collections: whose neighbours are remembered, the last ones used.
    """

    def __init__(self, at_least: int, collections: int) -> None:
        self.at_least, self.collections = at_least, collections
        self._known: OrderedDict[tuple[int, ...], tuple[Sequence[np.ndarray], int, np.ndarray, np.ndarray]] = OrderedDict()

    def __call__(
        self, sides: Sequence[np.ndarray], k: int, device: str | torch.device = "cpu"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what `nearest_rows` does."""
        key = tuple(map(id, sides))  # of arrays that are held here, so that no others get their places in memory
        if key not in self._known or self._known[key][1] < k:
            most = max(k, self.at_least)
            self._known[key] = (sides, most, *nearest_rows(sides, most, device))
            if len(self._known) > self.collections:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        _, _, indices, similarities = self._known[key]
        return indices[:, :k], similarities[:, :k]


def _unit_rows(sides: Sequence[np.ndarray]) -> np.ndarray:
    """Return L2-normalised float32 [rows of all sides, dim]; zero rows stay zero."""
    sides = [as_features(side) for side in sides]
    if len({side.shape[1] for side in sides}) > 1:
        raise DataError(f"features have {' and '.join(str(side.shape[1]) for side in sides)} dimensions")
    unit = np.empty((sum(map(len, sides)), sides[0].shape[1]), np.float32)
    start = 0
    for side in sides:
        np.multiply(side, inverse_norms(side)[:, None], out=unit[start : start + len(side)])
        start += len(side)
    return unit
