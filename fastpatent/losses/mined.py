"""Losses of PatentNet on mined tuples, a query with its positive and its negatives (Kucer et al., WACV 2022, eq. 3 and 4).

A batch is tuple after tuple of 2 + `negatives` drawings: query, positive, negatives. Places decide what a drawing is, labels
are not read. Distances are those of the embeddings as they come; PatentNet's have length 1.
"""

from functools import partial

import torch.nn.functional as F

from fastpatent.errors import ConfigError
from fastpatent.layers.precision import at_least_float32
from fastpatent.losses import LOSSES
from fastpatent.losses.objective import TUPLES, Objective


def mined_triplet_loss(embeddings, labels, negatives, margin=0.1):
    """Return the mean over all (query, positive, negative) of 0.5 max(0, m + |q - p|^2 - |q - n|^2).

    A mean, so that the size of the batch is no part of the learning rate.

    Args:
        embeddings: float [tuples * (2 + negatives), dim].
        labels: not read.
        negatives: of a tuple.
        margin: m.

    Returns:
        scalar float32 (float64 for float64).

    Raises:
        ConfigError: the batch is no whole number of tuples.
    """
    positive, negative = _squared_distances(embeddings, negatives)
    return 0.5 * F.relu(margin + positive - negative).mean()


def mined_contrastive_loss(embeddings, labels, negatives, margin=0.1):
    """Return the mean over all pairs of a query with its positive, 0.5 d^2, and its negatives, 0.5 max(0, m - d)^2.

    A mean over pairs, and not over tuples: positives and negatives keep the weights that they have in the sum of the paper.

    Args, returns and raises as `mined_triplet_loss`. A negative at the very place of its query has the gradient 0.
    """
    positive, negative = _squared_distances(embeddings, negatives)
    push = F.relu(margin - negative.clamp(min=1e-12).sqrt()).square()
    return 0.5 * (positive.sum() + push.sum()) / (positive.numel() + push.numel())


def _squared_distances(embeddings, negatives):
    """Return the squared distances of each query to its positive, [tuples, 1], and to its negatives, [tuples, negatives]."""
    width = 2 + negatives
    if len(embeddings) % width:
        raise ConfigError(
            f"SOLVER.IMS_PER_BATCH: {len(embeddings)} drawings at a time are no whole number of tuples of {width}, a query, "
            f"its positive and DATALOADER.MINING.NEGATIVES {negatives}"
        )
    tuples = at_least_float32(embeddings).unflatten(0, (-1, width))
    squared = (tuples[:, :1] - tuples[:, 1:]).square().sum(dim=2)
    return squared[:, :1], squared[:, 1:]


@LOSSES.register(name="MinedTripletLoss")
def build_mined_triplet_loss(cfg):
    """Return the Objective of MODEL.LOSSES.MINED and DATALOADER.MINING.NEGATIVES."""
    return _objective(cfg, "loss_mined_triplet", mined_triplet_loss)


@LOSSES.register(name="MinedContrastiveLoss")
def build_mined_contrastive_loss(cfg):
    """Return the Objective of MODEL.LOSSES.MINED and DATALOADER.MINING.NEGATIVES."""
    return _objective(cfg, "loss_mined_contrastive", mined_contrastive_loss)


def _objective(cfg, name, function):
    settings = cfg.MODEL.LOSSES.MINED
    bound = partial(function, negatives=cfg.DATALOADER.MINING.NEGATIVES, margin=settings.MARGIN)
    return Objective(name, bound, TUPLES, settings.SCALE)
