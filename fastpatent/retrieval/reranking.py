"""k-reciprocal re-ranking (Zhong et al., CVPR 2017) on sparse neighbour lists: no matrix of rows x rows is ever dense.

Numbers in brackets are equations of "Re-ranking person re-identification with k-reciprocal encoding". Sets of neighbours
are sparse 0/1 matrices [rows, rows], so that intersections are counted by a sparse product.
"""

import numpy as np
from scipy import sparse

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import as_pair, inverse_norms, rows_within
from fastpatent.retrieval.memory import block_bytes, free_bytes
from fastpatent.retrieval.neighbours import nearest_rows

COMPARED_PAIRS = 1024  # gathered rows of both stay near the processor's cache
PAIR_BYTES = 64  # of temporary arrays for one pair of entries whose minimum is taken
ENTRY_BYTES = 16  # of temporary matrices for one entry of a product of sets
FOUND_BYTES = 16  # of the result and the blocks it is made of for one pair


def reciprocal_similarity(query, gallery, k1=20, k2=6, memory=None, device="cpu"):
    """Return 1 - Jaccard distance [10] between the k-reciprocal encodings of queries and gallery rows, where it is not 0.

    As fast-reid computes it: neighbours are searched by cosine over queries and gallery together, a row is among its own k1;
    the sets that extend a row's own [4] are those of its half, round(k1 / 2) neighbours and the row itself, and must share
    more than 2/3 with it; a weight [7] is exp(-(2 - 2 cos)) divided by the sum over the set; the union [9] of two encodings
    is 2 - their intersection, each being taken to sum to 1; k2 = 1 leaves local query expansion [11] out. A zero row has no
    neighbours and is at similarity 0 from everything.

    Time and memory follow the number of pairs that share a neighbour, hundreds to thousands a query. Memory above the
    features: what the search takes, then 16 bytes for each such pair, 8 for each member of an encoding, and a block.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].
        k1: neighbours that must be mutual (TEST.RERANK.K1).
        k2: neighbours whose encodings are averaged (TEST.RERANK.K2).
        memory: bytes for the temporaries of a block; None: a quarter of what is free, at most 64 MiB. No bit depends on it.
        device: "cpu", or the card to search on; the rest is computed on the CPU.

    Returns:
        scipy.sparse.csr_array float32 [queries, gallery], in 0..1, columns ascending. The published distance [12] is then
        (1 - LAMBDA) * (1 - similarity) + LAMBDA * (1 - cosine).

    Raises:
        DataError: k1 or k2 below 1, features not finite or of different dimension, or so many of them alike that the pairs
            do not fit in memory.
    """
    query, gallery = as_pair(query, gallery, "cosine")
    if k1 < 1 or k2 < 1:
        raise DataError(f"re-ranking needs k1 and k2 of at least 1, not {k1} and {k2}")
    if not len(query) or not len(gallery):
        return sparse.csr_array((len(query), len(gallery)), dtype=np.float32)
    memory = block_bytes() if memory is None else memory
    neighbours, _ = nearest_rows([query, gallery], max(k1, k2), device)
    neighbours = neighbours.astype(np.int32)
    inverse = np.concatenate([inverse_norms(query), inverse_norms(gallery)])
    encodings = _weigh(_reciprocal_sets(neighbours, inverse > 0, k1, memory), query, gallery, inverse)
    if k2 > 1:
        encodings = _directed(neighbours[:, :k2], inverse > 0, 1 / min(k2, len(neighbours))) @ encodings
    return _jaccard(encodings[: len(query)], encodings[len(query) :], memory)


def _directed(neighbours, usable, value):
    """Return CSR float32 [rows, rows]: `value` at each row's neighbours [rows, k], nothing for rows that are not usable."""
    rows, k = neighbours.shape
    starts = np.concatenate([[0], np.cumsum(k * usable)]).astype(np.int32)
    neighbours = neighbours[usable].ravel()
    return sparse.csr_array((np.full(len(neighbours), value, np.float32), neighbours, starts), (rows, rows))


def _mutual(neighbours, usable):
    """Return CSR float32 [rows, rows]: 1 at the neighbours [rows, k] of a row that have it among theirs [3]."""
    directed = _directed(neighbours, usable, 1.0)
    return directed.multiply(directed.T.tocsr())


def _reciprocal_sets(neighbours, usable, k1, memory):
    """Return CSR [rows, rows] with an entry at each member of a row's extended k-reciprocal set [4], columns ascending."""
    own = _mutual(neighbours[:, :k1], usable)
    half = _mutual(neighbours[:, : min(round(k1 / 2) + 1, k1)], usable)
    sizes = np.diff(half.indptr)
    blocks = []
    rows = rows_within(memory, ENTRY_BYTES * (1 + k1) ** 2)
    for start in range(0, own.shape[0], rows):
        block = own[start : start + rows]
        shared = block.multiply(block @ half).tocoo()  # half is symmetric: entry (i, j) counts own of i and half of j
        kept = 3 * shared.data > 2 * sizes[shared.col]
        taken = sparse.csr_array((shared.data[kept], (shared.row[kept], shared.col[kept])), block.shape)
        blocks.append(block + taken @ half)
        blocks[-1].sort_indices()
    return sparse.vstack(blocks, format="csr")


def _weigh(sets, query, gallery, inverse):
    """Return `sets` with float32 weights [7] that sum to 1 in each row.

    Args:
        sets: CSR [rows, rows] over queries and gallery.
        inverse: float32 [rows], 1 / norm of each row.
    """
    sides = [(side, inverse[rows], rows) for side, rows in ((query, slice(len(query))), (gallery, slice(len(query), None)))]
    cosines = sparse.block_array(
        [[_cosines(sets[left[2], right[2]], left[:2], right[:2]) for right in sides] for left in sides], format="csr"
    )
    weights = np.exp(2 * cosines.data - 2)
    owners = np.repeat(np.arange(len(inverse)), np.diff(cosines.indptr))
    weights /= np.bincount(owners, weights, len(inverse))[owners]
    return sparse.csr_array((weights, cosines.indices, cosines.indptr), cosines.shape)


def _cosines(pairs, left, right):
    """Return `pairs`, sparse [left rows, right rows], with cosines as entries; sides are (features, inverse norms)."""
    pairs = pairs.tocoo()
    cosines = np.empty(pairs.nnz, np.float32)
    for start in range(0, pairs.nnz, COMPARED_PAIRS):
        block = slice(start, start + COMPARED_PAIRS)
        unit = [side[rows[block]] * scale[rows[block], None] for (side, scale), rows in zip((left, right), pairs.coords)]
        cosines[block] = np.einsum("pd,pd->p", *unit)
    return sparse.coo_array((cosines, pairs.coords), pairs.shape)


def _jaccard(query, gallery, memory):
    """Return CSR float32 [queries, gallery]: intersection [8] over union [9] of encodings, where they intersect.

    Args:
        query: CSR [queries, rows] of encodings.
        gallery: CSR [gallery, rows] of encodings.
    """
    most = free_bytes() // FOUND_BYTES
    listed = gallery.tocsc()  # for each row of the collection, which gallery rows hold it
    lengths = np.diff(listed.indptr)[query.indices].astype(np.int64)  # of the list that each entry of a query meets
    met = np.concatenate([[0], np.cumsum(lengths)])
    ends = met[query.indptr]  # pairs met by all queries before each
    identity = sparse.eye_array(gallery.shape[0], dtype=np.float32, format="csr")
    blocks, start, found = [], 0, 0
    while start < query.shape[0]:
        within = np.searchsorted(ends, ends[start] + memory // PAIR_BYTES, side="right") - 1
        stop = max(start + 1, min(int(within), query.shape[0]))
        entries = slice(query.indptr[start], query.indptr[stop])
        counts = lengths[entries]
        places = np.arange(ends[stop] - ends[start])
        places += np.repeat(listed.indptr[query.indices[entries]] - (met[entries] - ends[start]), counts)
        minima = np.minimum(np.repeat(query.data[entries], counts), listed.data[places])
        pairs = minima, listed.indices[places], (ends[start : stop + 1] - ends[start]).astype(np.int32)
        # The product with the identity adds up a row's entries of one column in their order, without a sort.
        shared = sparse.csr_array(pairs, (stop - start, gallery.shape[0])) @ identity
        shared.data = np.minimum(shared.data / (2 - shared.data), 1)
        shared.sort_indices()
        blocks.append(shared)
        start, found = stop, found + shared.nnz
        if found > most:
            raise DataError(
                f"re-ranking needs more memory than is free: of {stop} queries and {gallery.shape[0]} gallery rows {found} "
                "pairs share neighbours; are most features alike?"
            )
    return sparse.vstack(blocks, format="csr")
