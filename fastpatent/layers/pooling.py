"""Plain poolings from feature maps to one vector a drawing, by the names that MODEL.HEADS.POOL_LAYER takes.

Each takes float [batch, channels, height, width]; means are accumulated and returned in float32 under autocast.
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

    def forward(self, features):
        """Return the mean over height and width."""
        accumulate = torch.promote_types(features.dtype, torch.float32)
        return features.mean(dim=(2, 3), keepdim=True, dtype=accumulate)


# Two names in the configurations of fast-reid for one operation.
POOLING.register(GlobalAvgPool, name="FastGlobalAvgPool")


@POOLING.register
class GlobalMaxPool(nn.Module):
    """Maximum over the positions: [batch, channels, 1, 1]; tied positions share the gradient."""

    def forward(self, features):
        """Return the maximum over height and width."""
        return at_least_float32(features.amax(dim=(2, 3), keepdim=True))


@POOLING.register
class AdaptiveAvgMaxPool(nn.Module):
    """Mean plus maximum over the positions: [batch, channels, 1, 1]."""

    def __init__(self):
        super().__init__()
        self.mean, self.maximum = GlobalAvgPool(), GlobalMaxPool()

    def forward(self, features):
        """Return mean + maximum over height and width."""
        return self.mean(features) + self.maximum(features)


@POOLING.register
class ClipGlobalAvgPool(GlobalAvgPool):
    """Mean over the positions, cut to 0..1: [batch, channels, 1, 1]."""

    def forward(self, features):
        """Return the mean over height and width, cut to 0..1."""
        return super().forward(features).clamp(0, 1)
