"""Pooling to one value per channel, the first step of every head."""

import torch
from torch import nn

from fastpatent.errors import ConfigError


def pooled_vectors(pool_layer: nn.Module, feature_maps: torch.Tensor) -> torch.Tensor:
    """Return float [batch, channels] of feature maps [batch, channels, height, width].

    Raises:
        ConfigError: the pooling leaves more than one position.
    """
    pooled = pool_layer(feature_maps)
    if pooled[0].numel() != feature_maps.shape[1]:
        shape = " x ".join(map(str, pooled.shape[1:]))
        raise ConfigError(f"MODEL.HEADS.POOL_LAYER: the pooling leaves {shape} values instead of one per channel")
    return pooled.flatten(1)
