"""Circle loss over all pairs of a batch (Sun et al., CVPR 2020, eq. 6)."""

from functools import partial

import torch
import torch.nn.functional as F
from yacs.config import CfgNode

from fastpatent.losses import LOSSES
from fastpatent.losses.objective import EMBEDDINGS, Objective
from fastpatent.losses.pairs import Past, cosine_matrix, masked_logsumexp, pair_masks


def circle_loss(
    embeddings: torch.Tensor, labels: torch.Tensor, margin: float = 0.25, gamma: float = 128.0, past: Past | None = None
) -> torch.Tensor:
    """Pull samples of the same identity together and push others apart, each pair weighted by its distance from the optimum.

    Mean over samples of softplus(LSE over positives of -g [1 + m - s]+ (s - 1 + m) + LSE over negatives of
    g [s + m]+ (s - m)), with s the cosine and the brackets without gradient.

    Args:
        embeddings: float [batch, dim], any norm; compared by cosine.
        labels: int [batch].
        margin: relaxation m of the decision boundary, in cosine.
        gamma: scale g of the logits.
        past: embeddings of previous iterations to compare with; None: the batch only.

    Returns:
        scalar float32 (float64 for float64). A sample without positives or without negatives contributes 0.
    """
    similarity = cosine_matrix(embeddings, past)
    positive, negative = pair_masks(labels, past)
    positive_weight = (1 + margin - similarity.detach()).clamp(min=0)
    negative_weight = (similarity.detach() + margin).clamp(min=0)
    pull = masked_logsumexp(-gamma * positive_weight * (similarity - (1 - margin)), positive)
    push = masked_logsumexp(gamma * negative_weight * (similarity - margin), negative)
    return F.softplus(pull + push).mean()


@LOSSES.register(name="CircleLoss")
def build_circle_loss(cfg: CfgNode) -> Objective:
    """Return the Objective of MODEL.LOSSES.CIRCLE."""
    settings = cfg.MODEL.LOSSES.CIRCLE
    function = partial(circle_loss, margin=settings.MARGIN, gamma=settings.GAMMA)
    return Objective("loss_circle", function, EMBEDDINGS, settings.SCALE)
