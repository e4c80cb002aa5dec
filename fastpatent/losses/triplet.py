"""Triplet loss within a batch, hardest (Hermans et al., 2017, eq. 5) or weighted (Ristani & Tomasi, 2018, eq. 4)."""

from functools import partial

import torch
import torch.nn.functional as F
from yacs.config import CfgNode

from fastpatent.losses import LOSSES
from fastpatent.losses.objective import EMBEDDINGS, Objective
from fastpatent.losses.pairs import Past, cosine_matrix, euclidean_matrix, itself, pair_masks


def triplet_loss(
    embeddings: torch.Tensor,
    labels: torch.Tensor,
    margin: float = 0.3,
    hard_mining: bool = False,
    normalize: bool = False,
    past: Past | None = None,
) -> torch.Tensor:
    """Require for every anchor that samples of its identity are nearer than all others.

    Hard mining compares the farthest positive with the nearest negative. The weighted variant compares softmax-weighted mean
    distances, with weights exp(d) over the identity (including the anchor itself, at distance 0) and exp(-d) over the
    negatives. Both are numerically stable in float32 at any distance.

    Args:
        embeddings: float [batch, dim].
        labels: int [batch].
        margin: above 0: the hinge max(0, margin + dp - dn); 0: the soft margin log(1 + exp(dp - dn)).
        hard_mining: the hardest triplet of each anchor instead of the weighted one.
        normalize: distances 2 - 2 cosine (squared euclidean of L2-normalised embeddings) instead of euclidean distances.
        past: embeddings of previous iterations to compare with; None: the batch only.

    Returns:
        scalar float32 (float64 for float64): the mean over the anchors with both a positive and a negative; 0 with
        gradient 0 if there are none.
    """
    positive, negative = pair_masks(labels, past)
    distance = pair_distances(embeddings, normalize, past)
    return triplets_of_pairs(distance, positive, negative, margin, hard_mining, positive | itself(positive))


def pair_distances(embeddings: torch.Tensor, normalize: bool, past: Past | None = None) -> torch.Tensor:
    """Return the distances of every pair, [batch, batch + past], as used by `triplet_loss`."""
    return 2 - 2 * cosine_matrix(embeddings, past) if normalize else euclidean_matrix(embeddings, past)


def triplets_of_pairs(
    distance: torch.Tensor,
    positive: torch.Tensor,
    negative: torch.Tensor,
    margin: float,
    hard_mining: bool,
    identity: torch.Tensor,
) -> torch.Tensor:
    """Return the triplet loss of distances float [anchors, others], see `triplet_loss`.

    Args:
        positive, negative: bool [anchors, others].
        margin, hard_mining: as in `triplet_loss`.
        identity: bool [anchors, others], used by the weighted variant instead of `positive`.
    """
    usable = positive.any(dim=1) & negative.any(dim=1)
    lowest = torch.finfo(distance.dtype).min
    if hard_mining:
        positive_distance = distance.masked_fill(~positive, lowest).amax(dim=1)
        negative_distance = distance.masked_fill(~negative, -lowest).amin(dim=1)
    else:
        to_identity = distance.masked_fill(~identity, lowest).softmax(dim=1)
        to_others = (-distance).masked_fill(~negative, lowest).softmax(dim=1)
        positive_distance = (distance * to_identity).sum(dim=1)
        negative_distance = (distance * to_others).sum(dim=1)
    # Without a positive or a negative the difference is meaningless and may be infinite: replaced before a nonlinearity.
    difference = torch.where(usable, positive_distance, 0) - torch.where(usable, negative_distance, 0)
    losses = F.relu(difference + margin) if margin > 0 else F.softplus(difference)
    return (losses * usable).sum() / usable.sum().clamp(min=1)


@LOSSES.register(name="TripletLoss")
def build_triplet_loss(cfg: CfgNode) -> Objective:
    """Return the Objective of MODEL.LOSSES.TRI."""
    settings = cfg.MODEL.LOSSES.TRI
    function = partial(triplet_loss, margin=settings.MARGIN, hard_mining=settings.HARD_MINING, normalize=settings.NORM_FEAT)
    return Objective("loss_triplet", function, EMBEDDINGS, settings.SCALE)
