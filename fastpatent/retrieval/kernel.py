"""Arithmetic on a tile of scores: products, the k nearest, and how many rows are closer; on the CPU or on a card.

A kernel offers `put`, `has_room`, `product`, `pick`, `top` and `counter`; `choose_kernel` says which one. All of them order
rows alike: by score, the higher first, and at equal scores by index, the lower first.
"""

import functools
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from fastpatent.retrieval.torch_kernel import TorchKernel

NO_ROW = np.iinfo(np.int64).max


class CompiledKernel:
    """NumPy products and the compiled functions of `_rank.pyx`, whose rows are shared out to threads.

    Args:
        functions: the module `fastpatent.retrieval._rank`, or one with the same functions.
    """

    def __init__(self, functions):
        self.functions = functions
        self.threads = torch.get_num_threads()  # OMP_NUM_THREADS, where it is set
        self._pool = ThreadPoolExecutor(self.threads)
        self._scores = None

    def put(self, array):
        """Return a NumPy array where this kernel computes: as it is."""
        return array

    def has_room(self, size):
        """Tell whether `size` bytes of tiles should be kept by this kernel: no, the features are in this memory already."""
        return False

    def pick(self, scores, rows, columns):
        """Return float32 NumPy [n]: scores[rows[i], columns[i]]."""
        return scores[rows, columns]

    def copy(self, scores):
        """Return scores that stay valid after the next product."""
        return scores.copy()

    def product(self, outer, inner):
        """Return outer @ inner^T, float32 [rows, columns], of float32 [rows, dim] and [columns, dim].

        Valid until the next product.
        """
        shape = len(outer), len(inner)
        if self._scores is None or self._scores.shape != shape:
            self._scores = np.empty(shape, np.float32)
        return np.matmul(outer, inner.T, out=self._scores)

    def top(self, rows, k):
        """Return a `CompiledTop` for `rows` rows."""
        return CompiledTop(self, rows, k)

    def counter(self, limits, indices, offsets):
        """Return a `CompiledCounter` of the thresholds limits[offsets[i]:offsets[i + 1]] of each row i."""
        return CompiledCounter(self, limits, indices, offsets)

    def share_out(self, work, count):
        """Call work(start, stop) in threads that together cover range(count)."""
        bounds = np.linspace(0, count, self.threads + 1).astype(np.int64).tolist()
        list(self._pool.map(work, bounds[:-1], bounds[1:]))


class CompiledTop:
    """The k nearest of some rows, gathered tile by tile."""

    def __init__(self, kernel, rows, k):
        self.kernel = kernel
        self.scores = np.full((rows, k), -np.inf, np.float32)
        self.indices = np.full((rows, k), NO_ROW)

    def update(self, scores, columns):
        """Look at the columns of a tile, scores float32 [rows or more, columns or more], with int64 indices `columns`."""
        update = self.kernel.functions.update_top
        work = functools.partial(update, scores, columns, self.scores, self.indices)
        self.kernel.share_out(work, len(self.scores))

    def update_from_columns(self, scores, rows):
        """Look at the rows of a tile whose columns are the rows of this object; `rows` are their int64 indices."""
        update = self.kernel.functions.update_top_of_columns
        work = functools.partial(update, scores, rows, self.scores, self.indices)
        self.kernel.share_out(work, len(self.scores))

    def result(self):
        """Return (indices, scores): int64 and float32 NumPy arrays [rows, k], nearest first."""
        return self.indices, self.scores


class CompiledCounter:
    """How many rows are closer than each threshold, counted tile by tile."""

    def __init__(self, kernel, limits, indices, offsets):
        self.kernel, self.limits, self.indices, self.offsets = kernel, limits, indices, offsets
        self.closer = np.zeros(len(limits), np.int64)

    def update(self, scores, columns):
        """Count the columns of a tile, see `CompiledTop.update`."""
        count = self.kernel.functions.count_closer
        work = functools.partial(count, scores, columns, self.limits, self.indices, self.offsets, self.closer)
        self.kernel.share_out(work, len(self.offsets) - 1)

    def result(self):
        """Return int64 [thresholds]."""
        return self.closer


def choose_kernel(device="cpu"):
    """Return the kernel for a device: the compiled one on the CPU, PyTorch's on a card or where nothing was compiled."""
    functions = _compiled() if torch.device(device).type == "cpu" else None
    return CompiledKernel(functions) if functions else TorchKernel(device)


@functools.cache
def _compiled():
    """Return the compiled functions, or None after saying once that they are missing."""
    try:
        from fastpatent.retrieval import _rank
    except ImportError as reason:
        warnings.warn(
            f"the compiled rank kernel is missing ({reason}): PyTorch ranks instead, same numbers, slower",
            RuntimeWarning,
            stacklevel=3,
        )
        return None
    return _rank
