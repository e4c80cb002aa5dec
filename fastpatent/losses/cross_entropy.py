"""Cross entropy with label smoothing over the wrong classes (Szegedy et al., CVPR 2016, section 7)."""

from functools import partial

import torch
from yacs.config import CfgNode

from fastpatent.layers.precision import at_least_float32
from fastpatent.losses import LOSSES
from fastpatent.losses.objective import LOGITS, Objective


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor, epsilon: float = 0.0, alpha: float = 0.2) -> torch.Tensor:
    """Return the mean cross entropy for targets 1 - epsilon at the label and epsilon / (classes - 1) elsewhere.

    Args:
        logits: float [batch, classes].
        labels: int64 [batch], 0..classes - 1.
        epsilon: 0: plain cross entropy. Below 0: adaptive per sample, alpha times the predicted probability of the label
            (without gradient), so that only confident predictions are smoothed.
        alpha: factor of the adaptive epsilon; ignored otherwise.

    Returns:
        scalar float32 (float64 for float64), the mean over the batch.
    """
    log_probability = at_least_float32(logits).log_softmax(dim=1)
    right = log_probability.gather(1, labels[:, None]).squeeze(1)
    classes = logits.shape[1]
    if epsilon == 0 or classes == 1:
        return -right.mean()
    smoothing = alpha * right.detach().exp() if epsilon < 0 else epsilon
    wrong = (log_probability.sum(dim=1) - right) / (classes - 1)
    return -((1 - smoothing) * right + smoothing * wrong).mean()


@LOSSES.register(name="CrossEntropyLoss")
def build_cross_entropy(cfg: CfgNode) -> Objective:
    """Return the Objective of MODEL.LOSSES.CE."""
    settings = cfg.MODEL.LOSSES.CE
    function = partial(cross_entropy, epsilon=settings.EPSILON, alpha=settings.ALPHA)
    return Objective("loss_cls", function, LOGITS, settings.SCALE)
