"""Normalisation layers, by the names of MODEL.BACKBONE.NORM and MODEL.HEADS.NORM.

A norm is a function of a number of channels that returns a module over float [batch, channels, height, width], with weight 1
and bias 0.
"""

import math

from torch import nn

from fastpatent.registry import NORMS

Norm = nn.BatchNorm2d | nn.SyncBatchNorm | nn.GroupNorm

NORMS.register(nn.BatchNorm2d, name="BN")
# Statistics over all processes; on the CPU with one process only.
NORMS.register(nn.SyncBatchNorm, name="syncBN")


@NORMS.register(name="GN")
def group_norm(channels: int) -> nn.GroupNorm:
    """Return a norm over 32 groups (Wu & He, ECCV 2018), or fewer if 32 does not divide the channels."""
    return nn.GroupNorm(math.gcd(32, channels), channels)


@NORMS.register(name="LN")
def layer_norm(channels: int) -> nn.GroupNorm:
    """Return a norm over all channels and positions of one image."""
    return nn.GroupNorm(1, channels)


def build_norm(name: str, channels: int) -> Norm:
    """Return the norm called `name`; ConfigError where there is none."""
    return NORMS.get(name)(channels)
