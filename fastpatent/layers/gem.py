"""Generalised-mean pooling (Radenovic et al., TPAMI 2018, eq. 3)."""

from typing import Any

import torch
from torch import nn

from fastpatent.layers import POOLING
from fastpatent.layers.precision import at_least_float32


class _GeneralizedMean(torch.autograd.Function):
    """f = (mean x^p)^(1/p) with the gradients df/dx = (x/f)^(p-1) / positions and df/dp = f/p mean((x/f)^p log(x/f)).

    Explicit, because autograd would store about ten float32 copies of the feature map. On the CPU images are computed one
    by one, so that the working set stays in the cache.
    """

    @staticmethod
    def forward(context: Any, features: torch.Tensor, p: torch.Tensor, eps: float) -> torch.Tensor:
        pooled = torch.cat([_pool(images, p, eps) for images in _parts(features)])
        context.save_for_backward(features, p, pooled)
        context.eps = eps
        return pooled

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        features, p, pooled = context.saved_tensors
        to_features, to_p = torch.empty_like(features), torch.zeros_like(p)
        for part, into, mean, given in zip(*map(_parts, (features, to_features, pooled, gradient))):
            ratio = at_least_float32(part).clamp(min=context.eps) / mean
            logarithm = ratio.log()
            weighted = (logarithm * (p - 1)).exp_() * (given / part[0, 0].numel())  # given * df/dx
            into.copy_(torch.where(part >= context.eps, weighted, 0))
            to_p += (weighted * ratio * logarithm * mean).sum() / p
        return to_features, to_p, None


def _parts(features: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Split the batch: single images on the CPU, the whole batch on a GPU."""
    return features.split(1 if features.device.type == "cpu" else len(features))


def _pool(features: torch.Tensor, p: torch.Tensor, eps: float) -> torch.Tensor:
    # Each channel is divided by its largest value before the power and multiplied by it afterwards. The result is the same,
    # but float32 does not overflow for large p or large features.
    features = at_least_float32(features).clamp(min=eps)
    largest = features.amax(dim=(2, 3), keepdim=True)
    return largest * (features / largest).pow_(p).mean(dim=(2, 3), keepdim=True).pow_(1 / p)


def generalized_mean(features: torch.Tensor, p: float | torch.Tensor, eps: float = 1e-6) -> torch.Tensor:
    """Return (mean over positions of max(features, eps)^p)^(1/p).

    Args:
        features: float [batch, channels, height, width]; half precision is computed in float32.
        p: float or tensor of one element, above 0; 1 gives the mean, infinity the maximum.
        eps: lower bound of the features.

    Returns:
        float32 (float64 for float64) [batch, channels, 1, 1].
    """
    if not torch.is_tensor(p):
        wide = torch.float64 if features.dtype == torch.float64 else torch.float32
        p = torch.full((1,), p, dtype=wide, device=features.device)
    if torch.compiler.is_exporting():  # needs a dynamic batch size and no gradient
        return _pool(features, p, eps)
    return _GeneralizedMean.apply(features, p, eps)


@POOLING.register
class GeneralizedMeanPooling(nn.Module):
    """Generalised mean with a fixed p: [batch, channels, height, width] -> [batch, channels, 1, 1]."""

    p: float | torch.Tensor

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p, self.eps = p, eps

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the generalised mean over the positions, see `generalized_mean`."""
        return generalized_mean(features, self.p, self.eps)


@POOLING.register
class GeneralizedMeanPoolingP(GeneralizedMeanPooling):
    """Generalised mean with a learned p: the parameter `p` of shape [1], initialised to the given value."""

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__(p, eps)
        self.p = nn.Parameter(torch.full((1,), float(p)))
