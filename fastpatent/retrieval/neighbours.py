"""The nearest neighbours of every row of a collection, in one blocked pass that computes each pair once."""

from collections.abc import Sequence

import numpy as np
import torch

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import as_features, inverse_norms
from fastpatent.retrieval.free_memory import check_room
from fastpatent.retrieval.kernel import choose_kernel
from fastpatent.retrieval.score_tiles import Rows


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
