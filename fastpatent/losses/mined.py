"""Losses of PatentNet on mined tuples of a query, a positive and negatives (Kucer et al., WACV 2022, eq. 3 and 4).

A batch is a sequence of tuples of 2 + `negatives` samples: query, positive, negatives. The position in the batch gives the
role of a sample; labels are ignored. Embeddings are compared as given; those of PatentNet are L2-normalised.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from yacs.config import CfgNode

from fastpatent.errors import ConfigError
from fastpatent.layers.precision import at_least_float32
from fastpatent.losses import LOSSES
from fastpatent.losses.objective import TUPLES, Objective


def mined_triplet_loss(
    embeddings: torch.Tensor, labels: torch.Tensor | None, negatives: int, margin: float = 0.1
) -> torch.Tensor:
    """Return the mean over all (query, positive, negative) of 0.5 max(0, m + |q - p|^2 - |q - n|^2).

    A mean instead of the sum of the paper, so that the batch size does not scale the gradient.

    Args:
        embeddings: float [tuples * (2 + negatives), dim].
        labels: ignored.
        negatives: number of negatives per tuple.
        margin: m.

    Returns:
        scalar float32 (float64 for float64).

    Raises:
        ConfigError: the batch size is not a multiple of the tuple size.
    """
    positive, negative = _squared_distances(embeddings, negatives)
    return 0.5 * F.relu(margin + positive - negative).mean()


def mined_contrastive_loss(
    embeddings: torch.Tensor, labels: torch.Tensor | None, negatives: int, margin: float = 0.1
) -> torch.Tensor:
    """Return the mean over all pairs of a query with its positive, 0.5 d^2, and its negatives, 0.5 max(0, m - d)^2.

    A mean over pairs, not over tuples, so that positives and negatives have the same weights as in the sum of the paper.

    Args, returns and raises as `mined_triplet_loss`. A negative equal to its query has gradient 0.
    """
    positive, negative = _squared_distances(embeddings, negatives)
    push = F.relu(margin - negative.clamp(min=1e-12).sqrt()).square()
    return 0.5 * (positive.sum() + push.sum()) / (positive.numel() + push.numel())


def _squared_distances(embeddings: torch.Tensor, negatives: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the squared distances of each query to its positive, [tuples, 1], and to its negatives, [tuples, negatives]."""
    width = 2 + negatives
    if len(embeddings) % width:
        raise ConfigError(
            f"SOLVER.IMS_PER_BATCH: {len(embeddings)} images per batch, not a multiple of the tuple size {width}: a query, "
            f"its positive and DATALOADER.MINING.NEGATIVES {negatives}"
        )
    tuples = at_least_float32(embeddings).unflatten(0, (-1, width))
    squared = (tuples[:, :1] - tuples[:, 1:]).square().sum(dim=2)
    return squared[:, :1], squared[:, 1:]


@LOSSES.register(name="MinedTripletLoss")
def build_mined_triplet_loss(cfg: CfgNode) -> Objective:
    """Return the Objective of MODEL.LOSSES.MINED and DATALOADER.MINING.NEGATIVES."""
    return _objective(cfg, "loss_mined_triplet", mined_triplet_loss)


@LOSSES.register(name="MinedContrastiveLoss")
def build_mined_contrastive_loss(cfg: CfgNode) -> Objective:
    """Return the Objective of MODEL.LOSSES.MINED and DATALOADER.MINING.NEGATIVES."""
    return _objective(cfg, "loss_mined_contrastive", mined_contrastive_loss)


def _objective(cfg: CfgNode, name: str, function: Callable[..., torch.Tensor]) -> Objective:
    settings = cfg.MODEL.LOSSES.MINED
    bound = partial(function, negatives=cfg.DATALOADER.MINING.NEGATIVES, margin=settings.MARGIN)
    return Objective(name, bound, TUPLES, settings.SCALE)
