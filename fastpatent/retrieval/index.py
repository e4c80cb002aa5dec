"""Exact nearest-neighbour search: with FAISS on the CPU, in gallery blocks that fit a memory budget, else by `rank`."""

from importlib.util import find_spec

import numpy as np
import torch

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import as_pair, normalise, rows_within
from fastpatent.retrieval.ranking import rank

FAISS_METRICS = ("cosine", "euclidean")
SEARCHED_QUERIES = 4096
GALLERY_MULTIPLE = 1024  # FAISS multiplies 1024 gallery rows at a time, so blocks of a multiple give the same products
DEFAULT_MEMORY = 256 * 2**20


def rank_top(
    query: np.ndarray,
    gallery: np.ndarray,
    k: int,
    metric: str = "cosine",
    memory: int = DEFAULT_MEMORY,
    device: str | torch.device = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k gallery rows nearest to each query, best first; ties go to the lower index.

    FAISS searches on the CPU where it is installed, and `rank` elsewhere.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].
        k: number of rows, limited to the size of the gallery.
        metric: "cosine" or "euclidean"; other metrics are ranked by `rank`, without FAISS.
        memory: bytes for a gallery block and its FAISS index, in addition to the features and the result.
        device: "cpu", or the GPU to search on.

    Returns:
        (indices, scores): int64 and float32 [queries, min(k, gallery)]. A score is the cosine similarity or the
        negative distance; higher is nearer.

    Raises:
        DataError: k below 1, features not finite or of different dimension, or an unknown metric.
    """
    query, gallery = as_pair(query, gallery, metric)
    if k < 1:
        raise DataError(f"k must be at least 1, not {k}")
    k = min(k, len(gallery))
    if not len(query) or not k:
        return np.zeros((len(query), k), np.int64), np.zeros((len(query), k), np.float32)
    if metric not in FAISS_METRICS or torch.device(device).type != "cpu" or not find_spec("faiss"):
        found = rank(query, gallery, k, metric=metric, device=device)
        return found.indices, found.scores
    # One extra row shows whether the last place is tied: FAISS does not define which of the tied rows it returns.
    indices, scores = _search(query, gallery, min(k + 1, len(gallery)), metric, memory)
    if len(gallery) > k:
        shared = np.flatnonzero(scores[:, k - 1] == scores[:, k])
        indices, scores = indices[:, :k].copy(), scores[:, :k].copy()
        if len(shared):
            indices[shared] = rank(query[shared], gallery, k, metric=metric).indices
    return indices, scores if metric == "cosine" else -np.sqrt(np.maximum(-scores, 0))


def _search(query: np.ndarray, gallery: np.ndarray, k: int, metric: str, memory: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (indices, scores) of the k nearest rows; the choice among rows tied for the last place is undefined.

    Euclidean scores stay squared here: distinct squares may round to the same root and would then count as ties.
    """
    import faiss  # some machines that train have none

    indices = np.zeros((len(query), 0), np.int64)
    scores = np.zeros((len(query), 0), np.float32)
    block_rows = rows_within(memory, 2 * 4 * gallery.shape[1], GALLERY_MULTIPLE)
    for first in range(0, len(gallery), block_rows):
        block = _prepare(gallery[first : first + block_rows], metric)
        index = (faiss.IndexFlatIP if metric == "cosine" else faiss.IndexFlatL2)(gallery.shape[1])
        index.add(block)
        found = [
            index.search(_prepare(query[start : start + SEARCHED_QUERIES], metric), min(k, len(block)))
            for start in range(0, len(query), SEARCHED_QUERIES)
        ]
        products = np.concatenate([values for values, _ in found])
        indices = np.concatenate([indices] + [np.concatenate([rows for _, rows in found]) + first], axis=1)
        scores = np.concatenate([scores, products if metric == "cosine" else -products], axis=1)
        order = np.lexsort((indices, -scores))[:, :k]
        indices, scores = np.take_along_axis(indices, order, 1), np.take_along_axis(scores, order, 1)
    return indices, scores


def _prepare(rows: np.ndarray, metric: str) -> np.ndarray:
    """Return the rows for FAISS inner products (cosine) or squared distances (euclidean)."""
    return normalise(rows) if metric == "cosine" else rows
