"""Normalisation layers by the names that MODEL.BACKBONE.NORM and MODEL.HEADS.NORM take."""

import math

from torch import nn

from fastpatent.errors import ConfigError, nearest

NORMS = {
    "BN": nn.BatchNorm2d,
    # Statistics over all processes; on CPU it runs in one process only.
    "syncBN": nn.SyncBatchNorm,
    # 32 groups (Wu & He, ECCV 2018), fewer where 32 does not divide the channels; independent of the batch.
    "GN": lambda channels: nn.GroupNorm(math.gcd(32, channels), channels),
    # Over all channels and positions of one drawing.
    "LN": lambda channels: nn.GroupNorm(1, channels),
}


def build_norm(name, channels, key="MODEL.BACKBONE.NORM"):
    """Return the norm called `name` over float [batch, channels, height, width], with scale 1 and shift 0.

    Raises:
        ConfigError: `name` is none of BN, syncBN, GN, LN; the message names `key`.
    """
    if name not in NORMS:
        raise ConfigError(f"{key}: no norm is called {name!r}{nearest(name, NORMS)}")
    return NORMS[name](channels)
