"""Triplet loss between drawings and photographs (Sangkloy et al., SIGGRAPH 2016): drawings are the anchors."""

from functools import partial

import torch
from yacs.config import CfgNode

from fastpatent.losses import LOSSES
from fastpatent.losses.objective import DOMAINS, Objective
from fastpatent.losses.pairs import pair_masks
from fastpatent.losses.triplet import pair_distances, triplets_of_pairs


def cross_domain_triplet_loss(
    embeddings: torch.Tensor,
    labels: torch.Tensor,
    domains: torch.Tensor,
    margin: float = 0.3,
    hard_mining: bool = False,
    normalize: bool = False,
) -> torch.Tensor:
    """Require for every drawing that photographs of its identity are nearer than photographs of others.

    `triplet_loss` with drawings as anchors and photographs as positives and negatives; pairs within a domain are ignored.

    Args:
        embeddings: float [batch, dim].
        labels: int [batch].
        domains: int [batch], 0 for a drawing and 1 for a photograph.
        margin, hard_mining, normalize: see `fastpatent.losses.triplet.triplet_loss`.

    Returns:
        scalar float32 (float64 for float64): the mean over the drawings with a photograph of their identity and one of
        another; 0 with gradient 0 if there are none.
    """
    photograph = domains.bool()
    across = ~photograph[:, None] & photograph
    positive, negative = (mask & across for mask in pair_masks(labels))
    return triplets_of_pairs(pair_distances(embeddings, normalize), positive, negative, margin, hard_mining, positive)


@LOSSES.register(name="CrossDomainTripletLoss")
def build_cross_domain_triplet_loss(cfg: CfgNode) -> Objective:
    """Return the cross-domain Objective of MODEL.LOSSES.TRI."""
    settings = cfg.MODEL.LOSSES.TRI
    function = partial(
        cross_domain_triplet_loss,
        margin=settings.MARGIN,
        hard_mining=settings.HARD_MINING,
        normalize=settings.NORM_FEAT,
    )
    return Objective("loss_cross_domain", function, DOMAINS, settings.SCALE)
