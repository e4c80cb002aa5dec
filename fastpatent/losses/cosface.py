"""CosFace over all pairs of a batch: unified pair loss with unit weights (Sun et al., CVPR 2020, eq. 1)."""

from functools import partial

import torch
import torch.nn.functional as F
from yacs.config import CfgNode

from fastpatent.losses import LOSSES
from fastpatent.losses.objective import EMBEDDINGS, Objective
from fastpatent.losses.pairs import Past, cosine_matrix, masked_logsumexp, pair_masks


def pairwise_cosface(
    embeddings: torch.Tensor, labels: torch.Tensor, margin: float = 0.25, gamma: float = 128.0, past: Past | None = None
) -> torch.Tensor:
    """Require every cosine within an identity to exceed every cosine across identities by a margin.

    Mean over samples of softplus(LSE over positives of -g s + LSE over negatives of g (s + m)), with s the cosine.

    Args:
        embeddings: float [batch, dim], any norm; compared by cosine.
        labels: int [batch].
        margin: m, in cosine.
        gamma: scale g of the cosines.
        past: embeddings of previous iterations to compare with; None: the batch only.

    Returns:
        scalar float32 (float64 for float64). A sample without positives or without negatives contributes 0.
    """
    similarity = cosine_matrix(embeddings, past)
    positive, negative = pair_masks(labels, past)
    pull = masked_logsumexp(-gamma * similarity, positive)
    push = masked_logsumexp(gamma * (similarity + margin), negative)
    return F.softplus(pull + push).mean()


@LOSSES.register(name="Cosface")
def build_cosface(cfg: CfgNode) -> Objective:
    """Return the Objective of MODEL.LOSSES.COSFACE."""
    settings = cfg.MODEL.LOSSES.COSFACE
    function = partial(pairwise_cosface, margin=settings.MARGIN, gamma=settings.GAMMA)
    return Objective("loss_cosface", function, EMBEDDINGS, settings.SCALE)
