"""What a config assembles: backbone, head and losses."""

from fastpatent.registry import Registry

META_ARCHITECTURES = Registry("model", "MODEL.META_ARCHITECTURE", "fastpatent.models")


def build_model(cfg):
    """Return the network that `cfg` describes, on the CPU, with initial or ImageNet weights, in training mode.

    MODEL.HEADS.NUM_CLASSES must be set; MODEL.WEIGHTS is left to `fastpatent.models.weights.load_weights`.

    Raises:
        ConfigError: a component has no such name or setting.
        CheckpointError: MODEL.BACKBONE.PRETRAIN_PATH cannot be read or belongs to another network.
    """
    return META_ARCHITECTURES.get(cfg.MODEL.META_ARCHITECTURE)(cfg)
