"""CosFace over all pairs of a batch: unified pair loss with unit weights (Sun et al., CVPR 2020, eq. 1)."""

from functools import partial

import torch.nn.functional as F

from fastpatent.losses import LOSSES
from fastpatent.losses.objective import EMBEDDINGS, Objective
from fastpatent.losses.pairs import cosine_matrix, masked_logsumexp, pair_masks


def pairwise_cosface(embeddings, labels, margin=0.25, gamma=128.0, past=None):
    """Ask every cosine within an identity to exceed every cosine across identities by a margin.

    mean over drawings of softplus(LSE over positives of -g s + LSE over negatives of g (s + m)), s the cosine.

    Args:
        embeddings: float [batch, dim], any norm; compared by cosine.
        labels: int [batch].
        margin: m, in cosine.
        gamma: scale g of the cosines.
        past: Past, further drawings to compare with; None: only the batch.

    Returns:
        scalar float32 (float64 for float64). A drawing without a positive or without a negative adds 0.
    """
    similarity = cosine_matrix(embeddings, past)
    positive, negative = pair_masks(labels, past)
    pull = masked_logsumexp(-gamma * similarity, positive)
    push = masked_logsumexp(gamma * (similarity + margin), negative)
    return F.softplus(pull + push).mean()


@LOSSES.register(name="Cosface")
def build_cosface(cfg):
    """Return the Objective of MODEL.LOSSES.COSFACE."""
    settings = cfg.MODEL.LOSSES.COSFACE
    function = partial(pairwise_cosface, margin=settings.MARGIN, gamma=settings.GAMMA)
    return Objective("loss_cosface", function, EMBEDDINGS, settings.SCALE)
