"""k-reciprocal re-ranking (Zhong et al., CVPR 2017) on sparse neighbour lists, without a dense [rows, rows] matrix.

Numbers in brackets are equations of "Re-ranking person re-identification with k-reciprocal encoding". Sets of neighbours
are sparse 0/1 matrices [rows, rows], so that a sparse product counts intersections.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy import sparse

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import as_pair, inverse_norms, rows_within
from fastpatent.retrieval.free_memory import block_bytes, free_bytes
from fastpatent.retrieval.neighbours import Find, nearest_rows

COMPARED_PAIRS = 1024  # per block, so that the gathered rows stay close to the CPU cache size
PAIR_BYTES = 64  # of temporary arrays per pair of entries in `_jaccard`
ENTRY_BYTES = 16  # of temporary matrices per entry of a product of sets
FOUND_BYTES = 16  # of the result and its blocks per pair


def reciprocal_similarity(
    query: np.ndarray,
    gallery: np.ndarray,
    k1: int = 20,
    k2: int = 6,
    memory: int | None = None,
    device: str | torch.device = "cpu",
    find: Find = nearest_rows,
) -> sparse.csr_array:
    """Return 1 - Jaccard distance [10] between the k-reciprocal encodings of queries and gallery rows, without its zeros.

    Computed as in fast-reid:

    - Neighbours are searched by cosine over queries and gallery together; a row is among its own k1 neighbours.
    - The set of a row [4] is extended by the half-size sets of its members (round(k1 / 2) neighbours and the member itself),
      if more than 2/3 of such a set lies in it.
    - A weight [7] is exp(-(2 - 2 cos)), divided by the sum over the set.
    - The union [9] of two encodings is 2 - their intersection, as each sums to 1.
    - k2 = 1 disables local query expansion [11].

    A zero row has no neighbours and similarity 0 to every row.

    Time and memory are linear in the number of pairs that share a neighbour, hundreds to thousands per query. Memory in
    addition to the features: the search, then 16 bytes per such pair, 8 per member of an encoding, and one block.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].
        k1: number of neighbours that must be mutual (TEST.RERANK.K1).
        k2: number of neighbours whose encodings are averaged (TEST.RERANK.K2).
        memory: bytes for the temporaries of a block, without effect on the result; None: a quarter of what is free, at
            most 64 MiB.
        device: "cpu", or the GPU to search on; the rest is computed on the CPU.
        find: see `Find`.

    Returns:
        float32 [queries, gallery] in 0..1, columns ascending. The published distance [12] is then
        (1 - LAMBDA) * (1 - similarity) + LAMBDA * (1 - cosine).

    Raises:
        DataError: k1 or k2 below 1, features not finite or of different dimension, or too many similar features for the
            pairs to fit in memory.
    """
    query, gallery = as_pair(query, gallery, "cosine")
    if k1 < 1 or k2 < 1:
        raise DataError(f"re-ranking needs k1 and k2 of at least 1, not {k1} and {k2}")
    if not len(query) or not len(gallery):
        return sparse.csr_array((len(query), len(gallery)), dtype=np.float32)
    memory = block_bytes() if memory is None else memory
    neighbours, _ = find([query, gallery], max(k1, k2), device)
    neighbours = neighbours.astype(np.int32)
    inverse = np.concatenate([inverse_norms(query), inverse_norms(gallery)])
    encodings = _weigh(_reciprocal_sets(neighbours, inverse > 0, k1, memory), query, gallery, inverse)
    if k2 > 1:
        encodings = sparse.csr_array(_directed(neighbours[:, :k2], inverse > 0, 1 / min(k2, len(neighbours))) @ encodings)
    return _jaccard(encodings[: len(query)], encodings[len(query) :], memory)


def _directed(neighbours: np.ndarray, usable: np.ndarray, value: float) -> sparse.csr_array:
    """Return float32 [rows, rows]: `value` at each row's neighbours [rows, k]; rows that are not usable are empty."""
    rows, k = neighbours.shape
    starts = np.concatenate([[0], np.cumsum(k * usable)]).astype(np.int32)
    neighbours = neighbours[usable].ravel()
    return sparse.csr_array((np.full(len(neighbours), value, np.float32), neighbours, starts), (rows, rows))


def _mutual(neighbours: np.ndarray, usable: np.ndarray) -> sparse.csr_array:
    """Return float32 [rows, rows]: 1 where two rows are among each other's neighbours [rows, k] [3]."""
    directed = _directed(neighbours, usable, 1.0)
    return sparse.csr_array(directed.multiply(directed.T.tocsr()))


def _reciprocal_sets(neighbours: np.ndarray, usable: np.ndarray, k1: int, memory: int) -> sparse.csr_array:
    """Return [rows, rows] with an entry at each member of a row's extended k-reciprocal set [4], columns ascending."""
    own = _mutual(neighbours[:, :k1], usable)
    half = _mutual(neighbours[:, : min(round(k1 / 2) + 1, k1)], usable)
    sizes = np.diff(half.indptr)
    blocks = []
    rows = rows_within(memory, ENTRY_BYTES * (1 + k1) ** 2)
    for start in range(0, len(neighbours), rows):
        block = own[start : start + rows]
        # half is symmetric: entry (i, j) counts the intersection of own of i and half of j
        shared = sparse.coo_array(block.multiply(block @ half))
        kept = 3 * shared.data > 2 * sizes[shared.col]
        taken = sparse.csr_array((shared.data[kept], (shared.row[kept], shared.col[kept])), block.shape)
        blocks.append(block + taken @ half)
        blocks[-1].sort_indices()
    return sparse.csr_array(sparse.vstack(blocks, format="csr"))


def _weigh(sets: sparse.csr_array, query: np.ndarray, gallery: np.ndarray, inverse: np.ndarray) -> sparse.csr_array:
    """Return `sets` with float32 weights [7] that sum to 1 in each row.

    Args:
        sets: [rows, rows] over queries and gallery.
        inverse: float32 [rows], 1 / norm of each row.
    """
    sides = [(side, inverse[rows], rows) for side, rows in ((query, slice(len(query))), (gallery, slice(len(query), None)))]
    cosines = sparse.csr_array(
        sparse.block_array(
            [[_cosines(sets[left[2], right[2]], left[:2], right[:2]) for right in sides] for left in sides], format="csr"
        )
    )
    weights = np.exp(2 * cosines.data - 2)
    owners = np.repeat(np.arange(len(inverse)), np.diff(cosines.indptr))
    weights /= np.bincount(owners, weights, len(inverse))[owners]
    return sparse.csr_array((weights, cosines.indices, cosines.indptr), cosines.shape)


def _cosines(pairs: sparse.csr_array, left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> sparse.coo_array:
    """Return `pairs` [left rows, right rows] with cosines as entries; sides are (features, inverse norms)."""
    found = sparse.coo_array(pairs)
    cosines = np.empty(found.nnz, np.float32)
    for start in range(0, found.nnz, COMPARED_PAIRS):
        block = slice(start, start + COMPARED_PAIRS)
        unit = [side[rows[block]] * scale[rows[block], None] for (side, scale), rows in zip((left, right), found.coords)]
        cosines[block] = np.einsum("pd,pd->p", *unit)
    return sparse.coo_array((cosines, found.coords), found.shape)


def _jaccard(query: sparse.csr_array, gallery: sparse.csr_array, memory: int) -> sparse.csr_array:
    """Return float32 [queries, gallery]: intersection [8] over union [9] of encodings that intersect.

    Args:
        query: encodings [queries, rows].
        gallery: encodings [gallery, rows].
        memory: bytes for the temporaries of a block.
    """
    most = free_bytes() // FOUND_BYTES
    queries, columns = len(query.indptr) - 1, len(gallery.indptr) - 1
    listed = gallery.tocsc()  # per row of the collection, the gallery encodings that contain it
    lengths = np.diff(listed.indptr)[query.indices].astype(np.int64)  # of the list for each entry of a query
    met = np.concatenate([[0], np.cumsum(lengths)])
    ends = met[query.indptr]  # number of pairs of all queries before each
    identity = sparse.eye_array(columns, format="csr").astype(np.float32)
    blocks, start, found = [], 0, 0
    while start < queries:
        within = np.searchsorted(ends, ends[start] + memory // PAIR_BYTES, side="right") - 1
        stop = max(start + 1, min(int(within), queries))
        entries = slice(query.indptr[start], query.indptr[stop])
        counts = lengths[entries]
        places = np.arange(ends[stop] - ends[start])
        places += np.repeat(listed.indptr[query.indices[entries]] - (met[entries] - ends[start]), counts)
        minima = np.minimum(np.repeat(query.data[entries], counts), listed.data[places])
        pairs = minima, listed.indices[places], (ends[start : stop + 1] - ends[start]).astype(np.int32)
        # The product with the identity sums duplicate entries in their order, without a sort.
        shared = sparse.csr_array(sparse.csr_array(pairs, (stop - start, columns)) @ identity)
        shared.data = np.minimum(shared.data / (2 - shared.data), 1)
        shared.sort_indices()
        blocks.append(shared)
        start, found = stop, found + shared.nnz
        if found > most:
            raise DataError(
                f"re-ranking needs more memory than is free: of {stop} queries and {columns} gallery rows {found} "
                "pairs share neighbours; are most features similar?"
            )
    return sparse.csr_array(sparse.vstack(blocks, format="csr"))
