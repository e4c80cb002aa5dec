"""ImageNet weights for a new network, from a file that the user has: torchvision's, IBN-Net's or timm's."""

import logging

from torch import nn
from yacs.config import CfgNode

from fastpatent.models.weights import load_weights

logger = logging.getLogger(__name__)


def load_pretrained(backbone: nn.Module, cfg: CfgNode) -> None:
    """Load MODEL.BACKBONE.PRETRAIN_PATH into `backbone` where MODEL.BACKBONE.PRETRAIN asks for it.

    Nothing is downloaded: with PRETRAIN and no path a warning says that training starts from random weights. Where
    MODEL.WEIGHTS is given it replaces these weights, so nothing is loaded or reported. A table is logged where the file
    lacks a part of the backbone (non-local blocks, IBN from plain weights) or was fitted to another size or number of
    channels.

    Raises:
        CheckpointError: the file cannot be read or belongs to another network.
    """
    settings = cfg.MODEL.BACKBONE
    if not settings.PRETRAIN or cfg.MODEL.WEIGHTS:
        return
    if not settings.PRETRAIN_PATH:
        logger.warning(
            "MODEL.BACKBONE.PRETRAIN is set but MODEL.BACKBONE.PRETRAIN_PATH names no file: "
            "the backbone starts from random weights"
        )
        return
    report = load_weights(backbone.trunk, settings.PRETRAIN_PATH)
    # That the file's own classifier has no place here is expected; that a part of the backbone stays random is not.
    if report.missing or report.reshaped:
        logger.warning("%s", report.table(rows=8))
