"""Operations on a tile of scores: products, the k nearest rows, and counts of closer rows, on the CPU or a GPU.

`choose_kernel` returns the `Kernel` of a device. All kernels order rows by descending score, ties by ascending index.
"""

import functools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch

from fastpatent.retrieval.torch_kernel import TorchKernel

logger = logging.getLogger(__name__)
NO_ROW = np.iinfo(np.int64).max
Tile = Any  # np.ndarray of CompiledKernel, torch.Tensor of TorchKernel; never mixed, but which one is known only at run time


class Top(Protocol):
    """The k nearest of some rows, merged tile by tile."""

    def update(self, scores: Tile, columns: np.ndarray) -> None:
        """Merge the columns of a tile."""
        ...

    def update_from_columns(self, scores: Tile, rows: np.ndarray) -> None:
        """Merge the rows of a transposed tile."""
        ...

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (indices, scores)."""
        ...


class Counter(Protocol):
    """How many rows are closer than each threshold, counted tile by tile."""

    def update(self, scores: Tile, columns: np.ndarray) -> None:
        """Count the columns of a tile."""
        ...

    def result(self) -> np.ndarray:
        """Return the counts."""
        ...


class Kernel(Protocol):
    """What `CompiledKernel` and `TorchKernel` offer; see there."""

    def put(self, array: np.ndarray) -> Tile:
        """Move an array to the device."""
        ...

    def has_room(self, size: int) -> bool:
        """Return whether to cache `size` bytes of tiles on the device."""
        ...

    def pick(self, scores: Tile, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return scores[rows[i], columns[i]]."""
        ...

    def copy(self, scores: Tile) -> Tile:
        """Return scores that stay valid after the next product."""
        ...

    def fetch(self, scores: Tile) -> np.ndarray:
        """Return scores as a NumPy array."""
        ...

    def product(self, outer: Tile, inner: Tile) -> Tile:
        """Return outer @ inner^T."""
        ...

    def top(self, rows: int, k: int) -> Top:
        """Return a `Top` for `rows` rows."""
        ...

    def counter(self, limits: np.ndarray, indices: np.ndarray, offsets: np.ndarray) -> Counter:
        """Return a `Counter` of thresholds."""
        ...


class CompiledKernel:
    """NumPy products and the compiled functions of `_rank.pyx`, whose rows are split over threads.

    Args:
        functions: the module `fastpatent.retrieval._rank`, or one with the same functions.
    """

    def __init__(self, functions: ModuleType) -> None:
        self.functions = functions
        self.threads = torch.get_num_threads()  # OMP_NUM_THREADS if set
        self._pool = ThreadPoolExecutor(self.threads)
        self._scores: np.ndarray | None = None

    def put(self, array: np.ndarray) -> np.ndarray:
        """Return the array unchanged: this kernel computes on NumPy arrays."""
        return array

    def has_room(self, size: int) -> bool:
        """Return False: caching `size` bytes of tiles gains nothing, as the features are in host memory already."""
        return False

    def pick(self, scores: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return float32 NumPy [n]: scores[rows[i], columns[i]]."""
        return scores[rows, columns]

    def copy(self, scores: np.ndarray) -> np.ndarray:
        """Return scores that stay valid after the next product."""
        return scores.copy()

    def fetch(self, scores: np.ndarray) -> np.ndarray:
        """Return the scores unchanged."""
        return scores

    def product(self, outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
        """Return outer @ inner^T, float32 [rows, columns], of float32 [rows, dim] and [columns, dim].

        Valid until the next product.
        """
        shape = len(outer), len(inner)
        if self._scores is None or self._scores.shape != shape:
            self._scores = np.empty(shape, np.float32)
        return np.matmul(outer, inner.T, out=self._scores)

    def top(self, rows: int, k: int) -> "CompiledTop":
        """Return a `CompiledTop` for `rows` rows."""
        return CompiledTop(self, rows, k)

    def counter(self, limits: np.ndarray, indices: np.ndarray, offsets: np.ndarray) -> "CompiledCounter":
        """Return a `CompiledCounter` of the thresholds limits[offsets[i]:offsets[i + 1]] of each row i."""
        return CompiledCounter(self, limits, indices, offsets)

    def share_out(self, work: Callable[[int, int], object], count: int) -> None:
        """Call work(start, stop) in threads that together cover range(count)."""
        bounds = np.linspace(0, count, self.threads + 1).astype(np.int64).tolist()
        list(self._pool.map(work, bounds[:-1], bounds[1:]))


class CompiledTop:
    """The k nearest of some rows, merged tile by tile."""

    def __init__(self, kernel: CompiledKernel, rows: int, k: int) -> None:
        self.kernel = kernel
        self.scores = np.full((rows, k), -np.inf, np.float32)
        self.indices = np.full((rows, k), NO_ROW)

    def update(self, scores: np.ndarray, columns: np.ndarray) -> None:
        """Merge the columns of a tile, scores float32 [rows or more, columns or more], with int64 indices `columns`."""
        update = self.kernel.functions.update_top
        work = functools.partial(update, scores, columns, self.scores, self.indices)
        self.kernel.share_out(work, len(self.scores))

    def update_from_columns(self, scores: np.ndarray, rows: np.ndarray) -> None:
        """Merge the rows of a tile whose columns are the rows of this object; `rows` are their int64 indices."""
        update = self.kernel.functions.update_top_of_columns
        work = functools.partial(update, scores, rows, self.scores, self.indices)
        self.kernel.share_out(work, len(self.scores))

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (indices, scores): int64 and float32 NumPy arrays [rows, k], nearest first."""
        return self.indices, self.scores


class CompiledCounter:
    """How many rows are closer than each threshold, counted tile by tile."""

    def __init__(self, kernel: CompiledKernel, limits: np.ndarray, indices: np.ndarray, offsets: np.ndarray) -> None:
        self.kernel, self.limits, self.indices, self.offsets = kernel, limits, indices, offsets
        self.closer = np.zeros(len(limits), np.int64)

    def update(self, scores: np.ndarray, columns: np.ndarray) -> None:
        """Count the columns of a tile, see `CompiledTop.update`."""
        count = self.kernel.functions.count_closer
        work = functools.partial(count, scores, columns, self.limits, self.indices, self.offsets, self.closer)
        self.kernel.share_out(work, len(self.offsets) - 1)

    def result(self) -> np.ndarray:
        """Return int64 [thresholds]."""
        return self.closer


def choose_kernel(device: str | torch.device = "cpu") -> Kernel:
    """Return the kernel of a device: the compiled one on the CPU; PyTorch's on a GPU or without the compiled extension."""
    functions = _compiled() if torch.device(device).type == "cpu" else None
    return CompiledKernel(functions) if functions else TorchKernel(device)


@functools.cache
def _compiled() -> ModuleType | None:
    """Return the compiled functions; warn once and return None if they are missing."""
    try:
        from fastpatent.retrieval import _rank  # pyright: ignore[reportAttributeAccessIssue]  # a compiled extension
    except ImportError as reason:
        logger.warning(
            f"the compiled rank kernel is missing ({reason}): PyTorch is used instead, with the same results but slower"
        )
        return None
    return _rank
