"""All pairs of a batch: which are of one identity, how alike and how far apart, in float32 whatever autocast says.

Where there are drawings of past steps to compare with, their columns follow those of the batch: [batch, batch + past].
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from fastpatent.layers.precision import at_least_float32, without_autocast

EMPTY = -1  # the label of a row that holds no drawing


class Past(NamedTuple):
    """Drawings of past steps: embeddings float [past, dim] without gradient, labels int64 [past], EMPTY where none is."""

    embeddings: torch.Tensor
    labels: torch.Tensor


def pair_masks(labels, past=None):
    """Return (positive, negative), bool [batch, batch + past]: pairs of two drawings of one identity, or of two."""
    columns = labels if past is None else torch.cat([labels, past.labels])
    same = labels[:, None] == columns
    return same & ~itself(same), ~same if past is None else ~same & (columns != EMPTY)


def itself(pairs):
    """Return bool of the shape of `pairs` [batch, batch + past], True where a drawing of the batch meets itself."""
    return torch.eye(*pairs.shape, dtype=torch.bool, device=pairs.device)


def cosine_matrix(embeddings, past=None):
    """Return the cosine of every pair, [batch, batch + past], of float embeddings [batch, dim]."""
    with without_autocast(embeddings):
        unit = F.normalize(at_least_float32(embeddings))
        columns = unit if past is None else torch.cat([unit, F.normalize(past.embeddings)])
        return unit @ columns.T


def euclidean_matrix(embeddings, past=None):
    """Return the euclidean distance of every pair, [batch, batch + past], of float embeddings [batch, dim].

    A drawing is at distance 0 to itself. Another one at the same place is given the distance 1e-6, and both have the
    gradient 0, not infinity.
    """
    with without_autocast(embeddings):
        embeddings = at_least_float32(embeddings)
        # Distances do not see a common shift; without it the difference of large squares keeps its digits.
        middle = embeddings.detach().mean(dim=0)
        centred = embeddings - middle
        squares = centred.square().sum(dim=1)
        columns, column_squares = centred, squares
        if past is not None:
            others = past.embeddings - middle
            columns, column_squares = torch.cat([centred, others]), torch.cat([squares, others.square().sum(dim=1)])
        squared = squares[:, None] + column_squares - 2 * centred @ columns.T
        return squared.clamp(min=1e-12).sqrt().masked_fill(itself(squared), 0)


def masked_logsumexp(logits, mask):
    """Return the logsumexp of each row over the entries in `mask`, [batch]; the lowest finite number where none is.

    Minus infinity would be the answer there, but its gradient is not a number.
    """
    return logits.masked_fill(~mask, torch.finfo(logits.dtype).min).logsumexp(dim=1)
