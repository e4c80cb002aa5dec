"""The kernel of a card, in PyTorch: the ranks and nearest rows of `_rank.pyx` by sorting integer keys.

A key is 64 bits that sort as rows are ranked: the score's bits, made to sort as integers, over the complement of the index.
So equal scores go to the lower index here too, whatever order a card computes in.
"""

import torch

from fastpatent.retrieval.memory import free_bytes

LOWEST = -(2**63)
HIGHEST = 2**63 - 1
INDEX_BITS = 0xFFFFFFFF


def keys_of(scores, columns):
    """Return int64 [rows, columns], higher for closer, of float32 scores and int64 indices [columns] below 2^32."""
    bits = (scores + 0.0).view(torch.int32)  # -0 becomes +0, which it ties with
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    return (ordered << 32) | (INDEX_BITS - columns)


def read_keys(keys):
    """Return (indices int64, scores float32) of keys."""
    ordered = (keys >> 32).int()
    scores = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).view(torch.float32)
    return INDEX_BITS - (keys & INDEX_BITS), scores


class TorchKernel:
    """Tiles as tensors on a device."""

    def __init__(self, device):
        self.device = torch.device(device)

    def put(self, array):
        """Return a NumPy array as a tensor on the device."""
        return torch.tensor(array, device=self.device)

    def has_room(self, size):
        """Tell whether `size` bytes of tiles fit into half of the card's free memory."""
        return self.device.type == "cuda" and size < free_bytes(self.device) / 2

    def pick(self, scores, rows, columns):
        """Return float32 NumPy [n]: scores[rows[i], columns[i]], of int64 NumPy indices."""
        return scores[self.put(rows), self.put(columns)].cpu().numpy()

    def copy(self, scores):
        """Return scores that stay valid after the next product: as they are."""
        return scores

    def product(self, outer, inner):
        """Return outer @ inner^T, float32 [rows, columns]."""
        return outer @ inner.T

    def top(self, rows, k):
        """Return a `TorchTop` for `rows` rows."""
        return TorchTop(self, rows, k)

    def counter(self, limits, indices, offsets):
        """Return a `TorchCounter`, arguments as NumPy arrays."""
        return TorchCounter(self, limits, indices, offsets)


class TorchTop:
    """The k nearest of some rows, gathered tile by tile; see `CompiledTop`."""

    def __init__(self, kernel, rows, k):
        self.kernel = kernel
        self.keys = torch.full((rows, k), LOWEST, device=kernel.device)

    def update(self, scores, columns):
        """Look at the columns of a tile: scores [rows or more, columns or more], int64 NumPy indices [columns]."""
        found = keys_of(scores[: len(self.keys), : len(columns)], self.kernel.put(columns))
        self.keys = torch.cat([self.keys, found], 1).topk(self.keys.shape[1]).values

    def update_from_columns(self, scores, rows):
        """Look at the rows of a tile whose columns are the rows of this object."""
        self.update(scores.T, rows)

    def result(self):
        """Return (indices, scores): int64 and float32 NumPy arrays [rows, k], nearest first."""
        return tuple(part.cpu().numpy() for part in read_keys(self.keys))


class TorchCounter:
    """How many rows are closer than each threshold, counted tile by tile; see `CompiledCounter`."""

    def __init__(self, kernel, limits, indices, offsets):
        self.kernel = kernel
        offsets = torch.from_numpy(offsets)
        rows, most = len(offsets) - 1, int(offsets.diff().max())
        owner = torch.repeat_interleave(torch.arange(rows), offsets.diff())
        # Each row's thresholds lie closest first; the search below wants them ascending, padded with what nothing beats.
        self._place = owner * most + (most - 1) - (torch.arange(len(limits)) - offsets[owner])
        keys = torch.full((rows * most,), HIGHEST)
        keys[self._place] = keys_of(torch.from_numpy(limits)[:, None], torch.from_numpy(indices)[:, None])[:, 0]
        self._limits = keys.view(rows, most).sort(dim=1).values.to(kernel.device)
        self._pads = most - offsets.diff()
        self._owner = owner
        self._beaten = torch.zeros((rows, most + 1), dtype=torch.int64, device=kernel.device)

    def update(self, scores, columns):
        """Count the columns of a tile, see `TorchTop.update`."""
        found = keys_of(scores[: len(self._limits), : len(columns)], self.kernel.put(columns))
        beaten = torch.searchsorted(self._limits, found)  # how many thresholds a column is closer than
        self._beaten.scatter_add_(1, beaten, torch.ones_like(beaten))

    def result(self):
        """Return int64 NumPy [thresholds]."""
        # A threshold at place p of the ascending list is beaten by the columns that beat more than p thresholds.
        closer = self._beaten.flip(1).cumsum(1).flip(1)[:, 1:].cpu().flatten()
        return closer[self._place - self._pads[self._owner]].numpy()
