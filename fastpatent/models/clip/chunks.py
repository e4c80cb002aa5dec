"""Gradient caching: batches larger than memory, computed in chunks (Gao et al., RepL4NLP 2021)."""

from collections.abc import Callable

import torch
from torch.utils.checkpoint import checkpoint


def in_chunks(tower: Callable[[torch.Tensor], torch.Tensor], rows: torch.Tensor, size: int) -> torch.Tensor:
    """Return tower(rows), computed `size` rows at a time; only the results are stored for the backward pass.

    The backward pass recomputes one chunk at a time, with the same random numbers. The gradients are those of the whole
    batch if the tower computes each row independently of the others.

    Args:
        tower: function of a tensor [rows, ...] -> [rows, dim].
        rows: tensor [rows, ...].
        size: of a chunk; 0 or at least the number of rows: one chunk, without recomputation.
    """
    if size == 0 or size >= len(rows):
        return tower(rows)
    parts: list[torch.Tensor] = [checkpoint(tower, chunk, use_reentrant=False) for chunk in rows.split(size)]
    return torch.cat(parts)
