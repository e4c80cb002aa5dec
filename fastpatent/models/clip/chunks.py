"""Gradient caching: batches larger than memory, a few rows at a time (Gao et al., RepL4NLP 2021)."""

import torch
from torch.utils.checkpoint import checkpoint


def in_chunks(tower, rows, size):
    """Return tower(rows), computed `size` rows at a time; of each chunk only the result is kept for the backward pass.

    There every chunk is computed once more, with the same random numbers, and let go before the next: the gradients are
    those of the whole batch for towers whose rows do not see each other.

    Args:
        tower: function of a tensor [rows, ...] -> [rows, dim].
        rows: tensor [rows, ...].
        size: 0, or no fewer than there are rows: all at once, and nothing is computed twice.
    """
    if size == 0 or size >= len(rows):
        return tower(rows)
    return torch.cat([checkpoint(tower, chunk, use_reentrant=False) for chunk in rows.split(size)])
