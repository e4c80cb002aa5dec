"""Cross entropy with label smoothing over the wrong classes (Szegedy et al., CVPR 2016, section 7)."""

from functools import partial

from fastpatent.layers.precision import at_least_float32
from fastpatent.losses import LOSSES
from fastpatent.losses.objective import LOGITS, Objective


def cross_entropy(logits, labels, epsilon=0.0, alpha=0.2):
    """Return the mean cross entropy against 1 - epsilon at the right class and epsilon / (classes - 1) at each other.

    Args:
        logits: float [batch, classes].
        labels: int64 [batch], 0..classes - 1.
        epsilon: 0 is the plain cross entropy. Below 0 it is chosen for each drawing, as alpha times the probability that
            the network gives the right class (without gradient): only what is known already is smoothed.
        alpha: that factor; read only where epsilon is below 0.

    Returns:
        scalar float32 (float64 for float64), the mean over all drawings.
    """
    log_probability = at_least_float32(logits).log_softmax(dim=1)
    right = log_probability.gather(1, labels[:, None]).squeeze(1)
    classes = logits.shape[1]
    if epsilon == 0 or classes == 1:
        return -right.mean()
    if epsilon < 0:
        epsilon = alpha * right.detach().exp()
    wrong = (log_probability.sum(dim=1) - right) / (classes - 1)
    return -((1 - epsilon) * right + epsilon * wrong).mean()


@LOSSES.register(name="CrossEntropyLoss")
def build_cross_entropy(cfg):
    """Return the Objective of MODEL.LOSSES.CE."""
    settings = cfg.MODEL.LOSSES.CE
    function = partial(cross_entropy, epsilon=settings.EPSILON, alpha=settings.ALPHA)
    return Objective("loss_cls", function, LOGITS, settings.SCALE)
