"""Normalisation layers, by the names of MODEL.BACKBONE.NORM and MODEL.HEADS.NORM."""

import math
from collections.abc import Callable

from torch import nn

from fastpatent.errors import ConfigError, nearest

Norm = nn.BatchNorm2d | nn.SyncBatchNorm | nn.GroupNorm

NORMS: dict[str, Callable[[int], Norm]] = {
    "BN": nn.BatchNorm2d,
    # Statistics over all processes; on the CPU with one process only.
    "syncBN": nn.SyncBatchNorm,
    # 32 groups (Wu & He, ECCV 2018), or fewer if 32 does not divide the channels; independent of the batch.
    "GN": lambda channels: nn.GroupNorm(math.gcd(32, channels), channels),
    # Over all channels and positions of one image.
    "LN": lambda channels: nn.GroupNorm(1, channels),
}


def build_norm(name: str, channels: int, key: str = "MODEL.BACKBONE.NORM") -> Norm:
    """Return the norm `name` for float [batch, channels, height, width], with weight 1 and bias 0.

    Raises:
        ConfigError: `name` is not BN, syncBN, GN or LN; the message names `key`.
    """
    if name not in NORMS:
        raise ConfigError(f"{key}: unknown norm {name!r}{nearest(name, NORMS)}")
    return NORMS[name](channels)
