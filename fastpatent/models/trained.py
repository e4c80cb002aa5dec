"""A network for evaluation: built, with its trained weights, on its device."""

import logging

import torch
from yacs.config import CfgNode

from fastpatent.errors import ConfigError
from fastpatent.models import Network, build_model, with_classes
from fastpatent.models.patent_clip import PatentCLIP
from fastpatent.models.weights import load_weights
from fastpatent.models.wise_ft import move_towards_pretrained

NO_WEIGHTS = "MODEL.WEIGHTS is empty: write the path of a trained network, for example logs/.../model_best.pth"
logger = logging.getLogger(__name__)


def refuse_descriptor(cfg: CfgNode) -> None:
    """Raise ConfigError if the configuration names a descriptor: there is no network to train or export."""
    if cfg.DESCRIPTOR.NAME:
        raise ConfigError(
            f"DESCRIPTOR.NAME: {cfg.DESCRIPTOR.NAME} is not a network; use fastpatent test, extract or benchmark"
        )


def load_trained(cfg: CfgNode, device: torch.device) -> Network:
    """Return the network with MODEL.WEIGHTS on `device`, in evaluation mode; the LoadReport is logged.

    A PatentCLIP without MODEL.WEIGHTS keeps those of MODEL.CLIP.PRETRAINED. TEST.WISE_FT interpolates, see
    `move_towards_pretrained`.

    Raises:
        ConfigError: the configuration names a descriptor, or no weights, or none for TEST.WISE_FT.
        CheckpointError: the weights cannot be read or belong to another network.
    """
    refuse_descriptor(cfg)
    if not cfg.MODEL.WEIGHTS and not cfg.MODEL.CLIP.PRETRAINED:
        raise ConfigError(NO_WEIGHTS)
    network = build_model(with_classes(cfg, 1))
    if cfg.MODEL.WEIGHTS:
        logger.info("%s", load_weights(network, cfg.MODEL.WEIGHTS).without_classifier().table())
        move_towards_pretrained(network, cfg)
    elif not (isinstance(network, PatentCLIP) and network.pretrained):
        raise ConfigError(NO_WEIGHTS)
    return network.to(device).eval()
