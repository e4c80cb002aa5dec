"""Generalised-mean pooling (Radenovic et al., TPAMI 2018, eq. 3)."""

import torch
from torch import nn

from fastpatent.layers import POOLING
from fastpatent.layers.precision import at_least_float32, without_autocast


def generalized_mean(features, p, eps=1e-6):
    """Return (mean over positions of max(features, eps)^p)^(1/p).

    The largest value of each channel is taken out before the power and multiplied back after it, which changes nothing
    but keeps float32 from overflowing for large p or large features.

    Args:
        features: float [batch, channels, height, width]; half precision is computed in float32.
        p: float or tensor of one element, above 0; 1 is the mean, infinity the maximum.
        eps: floor of the features.

    Returns:
        float32 (float64 for float64) [batch, channels, 1, 1].
    """
    with without_autocast(features):
        features = at_least_float32(features).clamp(min=eps)
        largest = features.detach().amax(dim=(2, 3), keepdim=True)
        mean = (features / largest).pow(p).mean(dim=(2, 3), keepdim=True)
        return largest * mean.pow(1 / p)


@POOLING.register
class GeneralizedMeanPooling(nn.Module):
    """Generalised mean with a fixed p and no parameter: [batch, channels, height, width] -> [batch, channels, 1, 1]."""

    def __init__(self, p=3.0, eps=1e-6):
        super().__init__()
        self.p, self.eps = p, eps

    def forward(self, features):
        """Return the generalised mean over the positions, see `generalized_mean`."""
        return generalized_mean(features, self.p, self.eps)


@POOLING.register
class GeneralizedMeanPoolingP(GeneralizedMeanPooling):
    """Generalised mean with one learned p, the parameter `p` of shape [1], which starts at the given value."""

    def __init__(self, p=3.0, eps=1e-6):
        super().__init__(p, eps)
        self.p = nn.Parameter(torch.full((1,), float(p)))
