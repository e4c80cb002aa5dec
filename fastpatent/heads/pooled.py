"""One number a channel: what every head makes of a feature map first."""

from fastpatent.errors import ConfigError


def pooled_vectors(pool_layer, feature_maps):
    """Return float [batch, channels] of feature maps [batch, channels, height, width].

    Raises:
        ConfigError: the pooling leaves more than one position.
    """
    pooled = pool_layer(feature_maps)
    if pooled[0].numel() != feature_maps.shape[1]:
        shape = " x ".join(map(str, pooled.shape[1:]))
        raise ConfigError(f"MODEL.HEADS.POOL_LAYER: the pooling leaves {shape} values where one a channel is needed")
    return pooled.flatten(1)
