"""All pairs of a batch: identity masks, cosines and distances, in float32 even under autocast.

Embeddings of previous iterations, if given, are additional columns after those of the batch: [batch, batch + past].
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from fastpatent.layers.precision import at_least_float32, without_autocast

EMPTY = -1  # label of an empty row


class Past(NamedTuple):
    """Samples of previous iterations.

    Attributes:
        embeddings: float [past, dim], without gradient.
        labels: int64 [past], EMPTY for empty rows.
    """

    embeddings: torch.Tensor
    labels: torch.Tensor


def pair_masks(labels: torch.Tensor, past: Past | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (positive, negative), bool [batch, batch + past]: pairs of two samples of the same or of different identity."""
    columns = labels if past is None else torch.cat([labels, past.labels])
    same = labels[:, None] == columns
    return same & ~itself(same), ~same if past is None else ~same & (columns != EMPTY)


def itself(pairs: torch.Tensor) -> torch.Tensor:
    """Return bool of the shape of `pairs` [batch, batch + past], True where a sample is paired with itself."""
    return torch.eye(*pairs.shape, dtype=torch.bool, device=pairs.device)


def cosine_matrix(embeddings: torch.Tensor, past: Past | None = None) -> torch.Tensor:
    """Return the cosine of every pair, [batch, batch + past], of float embeddings [batch, dim]."""
    with without_autocast(embeddings):
        unit = F.normalize(at_least_float32(embeddings))
        columns = unit if past is None else torch.cat([unit, F.normalize(past.embeddings)])
        return unit @ columns.T


def euclidean_matrix(embeddings: torch.Tensor, past: Past | None = None) -> torch.Tensor:
    """Return the euclidean distance of every pair, [batch, batch + past], of float embeddings [batch, dim].

    A sample has distance 0 to itself. Distinct samples with equal embeddings have distance 1e-6. Both have gradient 0
    instead of infinity.
    """
    with without_autocast(embeddings):
        embeddings = at_least_float32(embeddings)
        # Distances are invariant to a common shift. Removing it avoids cancellation in the difference of large squares.
        middle = embeddings.detach().mean(dim=0)
        centred = embeddings - middle
        squares = centred.square().sum(dim=1)
        columns, column_squares = centred, squares
        if past is not None:
            others = past.embeddings - middle
            columns, column_squares = torch.cat([centred, others]), torch.cat([squares, others.square().sum(dim=1)])
        squared = squares[:, None] + column_squares - 2 * centred @ columns.T
        return squared.clamp(min=1e-12).sqrt().masked_fill(itself(squared), 0)


def masked_logsumexp(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the logsumexp of each row over the entries in `mask`, [batch]; the lowest finite number for an empty row.

    The exact value there is minus infinity, whose gradient is NaN.
    """
    return logits.masked_fill(~mask, torch.finfo(logits.dtype).min).logsumexp(dim=1)
