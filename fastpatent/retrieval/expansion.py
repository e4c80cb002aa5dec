"""Average query expansion as published by fast-reid: every row becomes the weighted mean of its nearest rows."""

import numpy as np

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import as_pair
from fastpatent.retrieval.index import DEFAULT_MEMORY, rank_top

AVERAGED_ROWS = 4096


def expand_queries(query, gallery, k=5, alpha=3.0, rounds=1, memory=DEFAULT_MEMORY):
    """Replace every row by the mean over its k nearest rows (itself included) of similarity^alpha times the row.

    Neighbours are searched by cosine over queries and gallery together, so gallery rows are expanded too; the rows that
    are averaged are not normalised. A neighbour at a negative similarity counts nothing: a power of it has no meaning.
    Memory: two copies of the features and k neighbours a row; no matrix of rows x rows.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].
        k: neighbours averaged (TEST.AQE.QE_K); all rows where there are fewer.
        alpha: exponent of the similarity (TEST.AQE.ALPHA).
        rounds: how often the whole is repeated on its own result (TEST.AQE.QE_TIME).
        memory: bytes for a block of the search.

    Returns:
        (query, gallery): float32 arrays of the shapes that came in.

    Raises:
        DataError: k or rounds below 1, alpha below 0, features not finite or of different dimension.
    """
    query, gallery = as_pair(query, gallery, "cosine")
    if rounds < 1 or alpha < 0:
        raise DataError(f"query expansion needs at least one round and alpha >= 0, not {rounds} and {alpha}")
    features = np.concatenate([query, gallery])
    for _ in range(rounds):
        features = _average(features, *rank_top(features, features, k, "cosine", memory), alpha)
    return features[: len(query)], features[len(query) :]


def _average(features, neighbours, similarities, alpha):
    """Return float32 [rows, dim]: the mean over each row's neighbours [rows, k] of similarity^alpha * feature."""
    weights = np.maximum(similarities, 0) ** np.float32(alpha) / np.float32(max(1, neighbours.shape[1]))
    averaged = np.zeros_like(features)
    for start in range(0, len(features), AVERAGED_ROWS):
        block = averaged[start : start + AVERAGED_ROWS]
        for place in range(neighbours.shape[1]):
            rows = slice(start, start + len(block))
            block += weights[rows, place, None] * features[neighbours[rows, place]]
    return averaged
