"""Normalisation layers, by the names of MODEL.BACKBONE.NORM and MODEL.HEADS.NORM.

A norm is a function of a number of channels that returns a module over float [batch, channels, height, width], with weight 1
and bias 0.
"""

import math

import torch
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


@torch.no_grad()
def update_running_statistics(norm: nn.BatchNorm2d, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:
    """Update the running statistics of a batch norm in training as its forward pass does.

    Args:
        norm: with a momentum.
        mean, variance: float [channels], of the batch; the variance is biased, the running one is not.
        count: values of each channel, at least 2.
    """
    assert norm.running_mean is not None and norm.running_var is not None and norm.momentum is not None
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), norm.momentum)
    norm.running_var.lerp_((variance * (count / (count - 1))).to(norm.running_var.dtype), norm.momentum)
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
