"""All pairs of a batch: which are of one identity, how alike and how far apart, in float32 whatever autocast says."""

import torch
import torch.nn.functional as F

from fastpatent.layers.precision import at_least_float32, without_autocast


def pair_masks(labels):
    """Return (positive, negative), bool [batch, batch]: pairs of two drawings of one identity, and of two identities."""
    same = labels[:, None] == labels
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself, ~same


def cosine_matrix(embeddings):
    """Return the cosine of every pair, [batch, batch], of float embeddings [batch, dim]."""
    with without_autocast(embeddings):
        unit = F.normalize(at_least_float32(embeddings))
        return unit @ unit.T


def euclidean_matrix(embeddings):
    """Return the euclidean distance of every pair, [batch, batch], of float embeddings [batch, dim].

    A drawing is at distance 0 to itself. Another one at the same place is given the distance 1e-6, and both have the
    gradient 0, not infinity.
    """
    with without_autocast(embeddings):
        embeddings = at_least_float32(embeddings)
        # Distances do not see a common shift; without it the difference of large squares keeps its digits.
        centred = embeddings - embeddings.detach().mean(dim=0)
        squares = centred.square().sum(dim=1)
        squared = squares[:, None] + squares - 2 * centred @ centred.T
        itself = torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
        return squared.clamp(min=1e-12).sqrt().masked_fill(itself, 0)


def masked_logsumexp(logits, mask):
    """Return the logsumexp of each row over the entries in `mask`, [batch]; the lowest finite number where none is.

    Minus infinity would be the answer there, but its gradient is not a number.
    """
    return logits.masked_fill(~mask, torch.finfo(logits.dtype).min).logsumexp(dim=1)
