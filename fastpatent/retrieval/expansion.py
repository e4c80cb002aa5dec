"""Average query expansion, alpha-QE and database-side augmentation: each row becomes a weighted mean of its neighbours."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy import sparse

from fastpatent.errors import DataError, nearest
from fastpatent.retrieval.distance import as_pair, inverse_norms
from fastpatent.retrieval.neighbours import Find, nearest_rows
from fastpatent.retrieval.ranking import rank

SIDES = ("both", "query", "database")
AVERAGED_ROWS = 1024  # per block, so that the temporary mean stays close to the CPU cache size


def expand_queries(
    query: np.ndarray,
    gallery: np.ndarray,
    k: int = 5,
    alpha: float = 3.0,
    rounds: int = 1,
    side: str = "both",
    normalize: bool = False,
    device: str | torch.device = "cpu",
    find: Find = nearest_rows,
) -> tuple[np.ndarray, np.ndarray]:
    """Replace rows by the mean over their k nearest rows (themselves included) of similarity^alpha times the row.

    Neighbours are found by cosine. One with negative similarity has weight 0, as its power is undefined. Memory in addition
    to the features: the result (with more rounds also that of the previous round), 12 k bytes per row, and the search.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].
        k: number of averaged rows (TEST.AQE.QE_K), limited to the number of rows.
        alpha: exponent of the similarity (TEST.AQE.ALPHA).
        rounds: how often the expansion is applied to its own result (TEST.AQE.QE_TIME).
        side: which rows are replaced, and which are averaged (TEST.AQE.SIDE). "both": all rows, over queries and gallery
            together, as published in fast-reid. "query": the queries, over themselves and k - 1 gallery rows: alpha-QE
            (Radenovic et al., TPAMI 2018), and with alpha 0 the average query expansion of Chum et al. (ICCV 2007).
            "database": the gallery, over the gallery: database-side augmentation (Turcot & Lowe, ICCV workshops 2009;
            Arandjelovic & Zisserman, CVPR 2012).
        normalize: L2-normalise rows before they are averaged (TEST.AQE.NORMALIZE).
        device: "cpu", or the GPU to search on.
        find: see `Find`.

    Returns:
        (query, gallery): float32 arrays of the input shapes; a side that is not replaced is returned unchanged.

    Raises:
        DataError: k or rounds below 1, alpha below 0, an unknown side, features not finite or of different dimension.
    """
    query, gallery = as_pair(query, gallery, "cosine")
    if side not in SIDES:
        raise DataError(f"unknown side {side!r} of query expansion{nearest(side, SIDES)}")
    if k < 1 or rounds < 1 or alpha < 0:
        raise DataError(
            f"query expansion needs k and rounds of at least 1 and alpha of at least 0, not {k}, {rounds} and {alpha}"
        )
    for _ in range(rounds):
        if side == "query":
            query = _mean([query, gallery], *_with_gallery(query, gallery, k, device), alpha, normalize)
        elif side == "database":
            gallery = _mean([gallery], *find([gallery], k, device), alpha, normalize)
        else:
            both = _mean([query, gallery], *find([query, gallery], k, device), alpha, normalize)
            query, gallery = both[: len(query)], both[len(query) :]
    return query, gallery


def _with_gallery(
    query: np.ndarray, gallery: np.ndarray, k: int, device: str | torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Return (indices, similarities) as `nearest_rows` does for [query, gallery]: each query and its k - 1 gallery rows."""
    own = np.arange(len(query))[:, None], np.ones((len(query), 1), np.float32)
    if k == 1:
        return own
    found = rank(query, gallery, k - 1, device=device)
    return np.hstack([own[0], found.indices + len(query)]), np.hstack([own[1], found.scores])


def _mean(
    sides: Sequence[np.ndarray], neighbours: np.ndarray, similarities: np.ndarray, alpha: float, normalize: bool
) -> np.ndarray:
    """Return float32 [rows, dim]: the mean over each row's neighbours [rows, k] of similarity^alpha * feature.

    Args:
        sides: float32 [rows, dim] arrays. `neighbours` indexes their concatenation.
        neighbours: int [rows, k].
        similarities: float32 [rows, k].
        alpha, normalize: see `expand_queries`.
    """
    rows, k = neighbours.shape
    weights = np.maximum(similarities, 0) ** np.float32(alpha) / np.float32(max(1, k))
    if normalize:
        weights *= np.concatenate([inverse_norms(side) for side in sides])[neighbours]
    ends = np.cumsum([len(side) for side in sides])
    shape = (rows, int(ends[-1]))
    weights = sparse.csr_array((weights.ravel(), neighbours.ravel(), k * np.arange(rows + 1)), shape)
    weights = [weights[:, end - len(side) : end] for side, end in zip(sides, ends)]
    averaged = np.zeros((rows, sides[0].shape[1]), np.float32)
    for start in range(0, rows, AVERAGED_ROWS):
        block = slice(start, start + AVERAGED_ROWS)
        for side, of_side in zip(sides, weights):
            averaged[block] += of_side[block] @ side
    return averaged
