"""Focal loss: cross entropy with a lower weight for confident samples (Lin et al., ICCV 2017, eq. 5)."""

from functools import partial

import torch
from yacs.config import CfgNode

from fastpatent.layers.precision import at_least_float32
from fastpatent.losses import LOSSES
from fastpatent.losses.objective import LOGITS, Objective


def focal_loss(
    logits: torch.Tensor, labels: torch.Tensor, alpha: float = 0.25, gamma: float = 2.0, of_mean: bool = False
) -> torch.Tensor:
    """Return the mean over samples of alpha (1 - p)^gamma e, with e = -log p the cross entropy and p the target probability.

    Args:
        logits: float [batch, classes].
        labels: int64 [batch], 0..classes - 1.
        alpha: factor of the loss.
        gamma: at least 0; 0 gives the cross entropy times alpha.
        of_mean: weight the batch instead of the samples, as in the published code of Higuchi & Yanai: e is the mean cross
            entropy of the batch and p = exp(-e). The mean is over the local mini-batch of a process or of an accumulation
            step (SOLVER.GRAD_ACCUM_STEPS), so these settings change the loss slightly.

    Returns:
        scalar float32 (float64 for float64).
    """
    log_probability = at_least_float32(logits).log_softmax(dim=1)
    entropy = -log_probability.gather(1, labels[:, None]).squeeze(1)
    if of_mean:
        entropy = entropy.mean()
    # Clamped, because the slope of x^gamma at 0 is infinite for gamma below 1.
    unknown = (-torch.expm1(-entropy)).clamp(min=torch.finfo(entropy.dtype).tiny)
    return (alpha * unknown**gamma * entropy).mean()


@LOSSES.register(name="FocalLoss")
def build_focal_loss(cfg: CfgNode) -> Objective:
    """Return the Objective of MODEL.LOSSES.FL."""
    settings = cfg.MODEL.LOSSES.FL
    function = partial(focal_loss, alpha=settings.ALPHA, gamma=settings.GAMMA, of_mean=settings.OF_MEAN)
    return Objective("loss_focal", function, LOGITS, settings.SCALE)
