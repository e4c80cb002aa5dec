"""Build the network of a configuration and fill it with trained weights, as every command does."""
import torch

from fastpatent.errors import ConfigError
from fastpatent.models import build_model
from fastpatent.models.weights import load_weights


def with_classes(cfg, found):
    """Return the configuration with MODEL.HEADS.NUM_CLASSES filled in from the `found` training identities.

    A number given by the configuration is kept; ConfigError where it is too small.
    """
    cfg = cfg.clone()
    cfg.defrost()
    if cfg.MODEL.HEADS.NUM_CLASSES == 0:
        cfg.MODEL.HEADS.NUM_CLASSES = found
    elif cfg.MODEL.HEADS.NUM_CLASSES < found:
        raise ConfigError(
            f"MODEL.HEADS.NUM_CLASSES is {cfg.MODEL.HEADS.NUM_CLASSES}, but the training set has {found} identities; write 0"
        )
    cfg.freeze()
    return cfg


def load_trained(cfg, device, log):
    """Build the network with MODEL.WEIGHTS on `device`, for evaluation; say what of the file was not used."""
    if not cfg.MODEL.WEIGHTS:
        raise ConfigError("MODEL.WEIGHTS is empty: write the path of a trained network, for example logs/.../model_best.pth")
    model = build_model(with_classes(cfg, 1))
    log.say(load_weights(model, cfg.MODEL.WEIGHTS).table())
    return model.to(device, memory_format=torch.channels_last).eval()
