"""Random shapes, offsets and ranges for the functions of `_rank.pyx`; prints how many were refused, and compared."""

import ctypes
import mmap
from collections import Counter

import numpy as np

from fastpatent.retrieval import _rank

NO_ROW = np.iinfo(np.int64).max
PROTECT = ctypes.CDLL(None, use_errno=True).mprotect
rng = np.random.default_rng(0)


def guarded(array):
    """Return a copy that ends at a page without access."""
    size = -(-max(array.nbytes, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    pages = mmap.mmap(-1, size + mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    assert not PROTECT(ctypes.c_void_p(address + size), ctypes.c_size_t(mmap.PAGESIZE), 0)
    copy = np.ndarray(array.shape, array.dtype, pages, size - array.nbytes)
    copy[...] = array
    return copy


def some(most=4):
    """Return a small size; a fifth of them are unusual."""
    return int(rng.integers(most + 1)) if rng.random() < 0.2 else most


def scores_of(*shape):
    return guarded(rng.choice([-1.0, 0.0, 0.5, 1.0], shape).astype(np.float32))


def indices_of(count):
    return guarded(rng.permutation(count).astype(np.int64))


def bound(usual):
    return int(rng.integers(-3, 8)) if rng.random() < 0.2 else usual


def count_closer(most):
    thresholds, rows = some(most), 4
    scores, columns = scores_of(some(rows), some(5)), indices_of(some(5))
    limits = guarded(-np.sort(-scores_of(thresholds)))  # closest first, ties by ascending index
    indices = guarded(np.sort(indices_of(some(thresholds))))
    steps = rng.integers(-1 if rng.random() < 0.3 else 0, thresholds // 2 + 1, some(rows + 1))
    offsets, closer = guarded(np.cumsum(steps) - steps[:1].sum() + bound(0)), guarded(np.zeros(some(thresholds), np.int64))
    start, stop = bound(0), bound(rows)
    _rank.count_closer(scores, columns, limits, indices, offsets, closer, start, stop)
    truth = np.zeros(thresholds, np.int64)
    for row in range(start, stop):
        assert 0 <= offsets[row] <= offsets[row + 1] <= thresholds
        for place in range(offsets[row], offsets[row + 1]):
            found = scores[row, : len(columns)]
            truth[place] += ((found > limits[place]) | ((found == limits[place]) & (columns < indices[place]))).sum()
    np.testing.assert_array_equal(closer, truth)


def update_top(of_columns):
    k, rows = some(3), 4
    scores, columns = scores_of(*((some(5), some(rows)) if of_columns else (some(rows), some(5)))), indices_of(some(5))
    top = guarded(np.full((some(rows), k), -np.inf, np.float32)), guarded(np.full((some(rows), some(k)), NO_ROW))
    start, stop = bound(0), bound(rows)
    (_rank.update_top_of_columns if of_columns else _rank.update_top)(scores, columns, *top, start, stop)
    for row in range(start, stop):
        found = scores[: len(columns), row] if of_columns else scores[row, : len(columns)]
        order = np.lexsort((columns, -found))[:k]
        np.testing.assert_array_equal(top[0][row, : len(order)], found[order])
        np.testing.assert_array_equal(top[1][row, : len(order)], columns[order])


def main():
    outcomes = Counter()
    for number in range(6000):
        try:
            count_closer(80 if number % 2 else 4) if number % 3 == 0 else update_top(number % 3 == 1)
            outcomes["compared"] += 1
        except ValueError:
            outcomes["refused"] += 1
    for wrong in (None, np.zeros(3), np.zeros((4, 4, 4)), np.asfortranarray(np.zeros((4, 4), np.float32))):
        for call in (_rank.count_closer, _rank.update_top, _rank.update_top_of_columns):
            try:
                call(*[wrong] * (6 if call is _rank.count_closer else 4), 0, 4)
            except (TypeError, ValueError):
                continue
            raise AssertionError(f"{call} took {wrong}")
    print(outcomes["refused"], outcomes["compared"])


if __name__ == "__main__":
    main()
