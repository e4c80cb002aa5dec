"""Ranks of each query's relevant gallery rows in a strip of scores: the compiled kernel, or NumPy where it is missing."""

import functools
import warnings
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np


def count_closer_numpy(scores, members, first, last, offsets, ranks, start, stop):
    """Fill ranks[offsets[i]:offsets[i + 1]], ascending, for the queries start <= i < stop.

    The rank of a relevant row is 1 + the number of gallery rows closer to the query: rows of a higher score, and rows of
    an equal score and a lower index, as a stable sort from the highest score down would place them.

    Args:
        scores: float32 [queries, gallery], higher is closer.
        members: int64, gallery rows grouped by identity, ascending in each group.
        first, last: int64 [queries]; members[first[i]:last[i]] are relevant to query i.
        offsets: int64 [queries + 1], places in `ranks`; offsets[i + 1] - offsets[i] = last[i] - first[i].
        ranks: int64 [offsets[-1]], filled here.
    """
    for row in range(start, stop):
        closer = [
            np.count_nonzero(scores[row, :index] >= scores[row, index])
            + np.count_nonzero(scores[row, index + 1 :] > scores[row, index])
            for index in members[first[row] : last[row]]
        ]
        ranks[offsets[row] : offsets[row + 1]] = 1 + np.sort(np.array(closer, np.int64))


@functools.cache
def _kernel():
    """Return the compiled kernel, or the NumPy one after saying so once."""
    try:
        from fastpatent.retrieval._rank import count_closer
    except ImportError as reason:
        warnings.warn(
            f"the compiled rank kernel is missing ({reason}): metrics are counted by NumPy, same numbers, slower",
            RuntimeWarning,
            stacklevel=3,
        )
        return count_closer_numpy
    return count_closer


def relevant_ranks(scores, members, first, last):
    """Return int64 [sum of last - first]: each query's ranks of its relevant rows, ascending, query after query.

    Arguments as in `count_closer_numpy`. Queries are shared out to as many threads as FAISS uses (OMP_NUM_THREADS).
    """
    offsets = np.concatenate([[0], np.cumsum(last - first)])
    ranks = np.empty(offsets[-1], np.int64)
    threads = faiss.omp_get_max_threads()
    bounds = np.linspace(0, len(scores), threads + 1).astype(np.int64)
    kernel = _kernel()
    with ThreadPoolExecutor(threads) as pool:
        parts = [
            pool.submit(kernel, scores, members, first, last, offsets, ranks, start, stop)
            for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist())
        ]
        for part in parts:
            part.result()
    return ranks
