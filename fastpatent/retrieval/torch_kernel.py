"""The GPU kernel, in PyTorch: the ranks and nearest rows of `_rank.pyx` by sorting integer keys.

A key is a 64-bit integer that sorts like the ranking. Its high half is the score, with bits mapped to sort as an integer;
its low half is the complement of the index. So ties go to the lower index, in any order of computation.
"""

import numpy as np
import torch

from fastpatent.device import float32_arithmetic
from fastpatent.retrieval.free_memory import free_bytes

LOWEST = -(2**63)
HIGHEST = 2**63 - 1
INDEX_BITS = 0xFFFFFFFF


def keys_of(scores: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return int64 keys [rows, columns], higher for closer, of float32 scores and int64 indices [columns] below 2^32."""
    bits = (scores + 0.0).view(torch.int32)  # -0 becomes +0, so that they tie
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    return (ordered << 32) | (INDEX_BITS - columns)


def read_keys(keys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (int64 indices, float32 scores) of keys."""
    ordered = (keys >> 32).int()
    scores = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).view(torch.float32)
    return INDEX_BITS - (keys & INDEX_BITS), scores


class TorchKernel:
    """Tiles as tensors on a device."""

    def __init__(self, device: str | torch.device) -> None:
        self.device = torch.device(device)

    def put(self, array: np.ndarray) -> torch.Tensor:
        """Return a NumPy array as a tensor on the device."""
        return torch.tensor(array, device=self.device)

    def has_room(self, size: int) -> bool:
        """Return whether `size` bytes of tiles fit in half of the free GPU memory."""
        return self.device.type == "cuda" and size < free_bytes(self.device) / 2

    def pick(self, scores: torch.Tensor, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return float32 NumPy [n]: scores[rows[i], columns[i]], of int64 NumPy indices."""
        return scores[self.put(rows), self.put(columns)].cpu().numpy()

    def copy(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores unchanged: they stay valid after the next product."""
        return scores

    def fetch(self, scores: torch.Tensor) -> np.ndarray:
        """Return a copy as a NumPy array."""
        return scores.cpu().numpy()

    def product(self, outer: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
        """Return outer @ inner^T, float32 [rows, columns]."""
        with float32_arithmetic("ieee"):
            return outer @ inner.T

    def top(self, rows: int, k: int) -> "TorchTop":
        """Return a `TorchTop` for `rows` rows."""
        return TorchTop(self, rows, k)

    def counter(self, limits: np.ndarray, indices: np.ndarray, offsets: np.ndarray) -> "TorchCounter":
        """Return a `TorchCounter` of NumPy arrays, see `CompiledKernel.counter`."""
        return TorchCounter(self, limits, indices, offsets)


class TorchTop:
    """The k nearest of some rows, merged tile by tile; see `CompiledTop`."""

    def __init__(self, kernel: TorchKernel, rows: int, k: int) -> None:
        self.kernel = kernel
        self.keys = torch.full((rows, k), LOWEST, device=kernel.device)

    def update(self, scores: torch.Tensor, columns: np.ndarray) -> None:
        """Merge the columns of a tile: scores [rows or more, columns or more], int64 NumPy indices [columns]."""
        found = keys_of(scores[: len(self.keys), : len(columns)], self.kernel.put(columns))
        self.keys = torch.cat([self.keys, found], 1).topk(self.keys.shape[1]).values

    def update_from_columns(self, scores: torch.Tensor, rows: np.ndarray) -> None:
        """Merge the rows of a tile whose columns are the rows of this object."""
        self.update(scores.T, rows)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (indices, scores): int64 and float32 NumPy arrays [rows, k], nearest first."""
        indices, scores = read_keys(self.keys)
        return indices.cpu().numpy(), scores.cpu().numpy()


class TorchCounter:
    """How many rows are closer than each threshold, counted tile by tile; see `CompiledCounter`."""

    def __init__(self, kernel: TorchKernel, limits: np.ndarray, indices: np.ndarray, offsets: np.ndarray) -> None:
        self.kernel = kernel
        starts = torch.from_numpy(offsets)
        rows, most = len(starts) - 1, int(starts.diff().max())
        owner = torch.repeat_interleave(torch.arange(rows), starts.diff())
        # The thresholds of a row come closest first; searchsorted needs them ascending, padded with the highest key.
        self._place = owner * most + (most - 1) - (torch.arange(len(limits)) - starts[owner])
        keys = torch.full((rows * most,), HIGHEST)
        keys[self._place] = keys_of(torch.from_numpy(limits)[:, None], torch.from_numpy(indices)[:, None])[:, 0]
        self._limits = keys.view(rows, most).sort(dim=1).values.to(kernel.device)
        self._pads = most - starts.diff()
        self._owner = owner
        self._beaten = torch.zeros((rows, most + 1), dtype=torch.int64, device=kernel.device)

    def update(self, scores: torch.Tensor, columns: np.ndarray) -> None:
        """Count the columns of a tile, see `TorchTop.update`."""
        found = keys_of(scores[: len(self._limits), : len(columns)], self.kernel.put(columns))
        beaten = torch.searchsorted(self._limits, found)  # per column, the number of thresholds it is closer than
        self._beaten.scatter_add_(1, beaten, torch.ones_like(beaten))

    def result(self) -> np.ndarray:
        """Return int64 NumPy [thresholds]."""
        # The threshold at place p of the ascending list is beaten by the columns that beat more than p thresholds.
        closer = self._beaten.flip(1).cumsum(1).flip(1)[:, 1:].cpu().flatten()
        return closer[self._place - self._pads[self._owner]].numpy()
