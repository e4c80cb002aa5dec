"""Pooling layers from feature maps to one vector per image, by the names of MODEL.HEADS.POOL_LAYER.

Input: float [batch, channels, height, width]. Means are accumulated and returned in float32 under autocast.
"""

import torch
from torch import nn

from fastpatent.layers import POOLING
from fastpatent.layers.precision import at_least_float32

POOLING.register(nn.Identity, name="Identity")
POOLING.register(nn.Flatten, name="Flatten")


@POOLING.register
class GlobalAvgPool(nn.Module):
    """Mean over the positions: [batch, channels, 1, 1]."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the mean over height and width."""
        accumulate = torch.promote_types(features.dtype, torch.float32)
        return features.mean(dim=(2, 3), keepdim=True, dtype=accumulate)


# fast-reid has two names for the same operation.
POOLING.register(GlobalAvgPool, name="FastGlobalAvgPool")


@POOLING.register
class GlobalMaxPool(nn.Module):
    """Maximum over the positions: [batch, channels, 1, 1]; tied positions share the gradient."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the maximum over height and width."""
        return at_least_float32(features.amax(dim=(2, 3), keepdim=True))


@POOLING.register
class AdaptiveAvgMaxPool(nn.Module):
    """Mean plus maximum over the positions: [batch, channels, 1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.maximum = GlobalAvgPool(), GlobalMaxPool()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return mean + maximum over height and width."""
        return self.mean(features) + self.maximum(features)


@POOLING.register
class ClipGlobalAvgPool(GlobalAvgPool):
    """Mean over the positions, clamped to 0..1: [batch, channels, 1, 1]."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the mean over height and width, clamped to 0..1."""
        return super().forward(features).clamp(0, 1)
