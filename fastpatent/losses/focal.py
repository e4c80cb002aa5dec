"""Focal loss: cross entropy that counts less the better a drawing is known (Lin et al., ICCV 2017, eq. 5)."""

from functools import partial

import torch

from fastpatent.layers.precision import at_least_float32
from fastpatent.losses import LOSSES
from fastpatent.losses.objective import LOGITS, Objective


def focal_loss(logits, labels, alpha=0.25, gamma=2.0, of_mean=False):
    """Return the mean over drawings of alpha (1 - p)^gamma e, e = -log p the cross entropy at the right class.

    Args:
        logits: float [batch, classes].
        labels: int64 [batch], 0..classes - 1.
        alpha: factor of the loss.
        gamma: at least 0; 0 is the cross entropy times alpha.
        of_mean: the published code of Higuchi & Yanai weighs the batch instead of its drawings: e is the mean cross entropy
            of all of them and p = exp(-e). The mean is of the drawings at hand: with several processes of each one's share,
            with SOLVER.GRAD_ACCUM_STEPS of each part, so that these settings change the loss a little.

    Returns:
        scalar float32 (float64 for float64).
    """
    log_probability = at_least_float32(logits).log_softmax(dim=1)
    entropy = -log_probability.gather(1, labels[:, None]).squeeze(1)
    if of_mean:
        entropy = entropy.mean()
    # 0 has no finite slope under a power below 1.
    unknown = (-torch.expm1(-entropy)).clamp(min=torch.finfo(entropy.dtype).tiny)
    return (alpha * unknown**gamma * entropy).mean()


@LOSSES.register(name="FocalLoss")
def build_focal_loss(cfg):
    """Return the Objective of MODEL.LOSSES.FL."""
    settings = cfg.MODEL.LOSSES.FL
    function = partial(focal_loss, alpha=settings.ALPHA, gamma=settings.GAMMA, of_mean=settings.OF_MEAN)
    return Objective("loss_focal", function, LOGITS, settings.SCALE)
