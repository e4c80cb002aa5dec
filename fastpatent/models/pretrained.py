"""ImageNet weights for a new network, from a local file of torchvision, IBN-Net or timm."""

import logging

from yacs.config import CfgNode

from fastpatent.models.network import Backbone
from fastpatent.models.weights import load_weights

logger = logging.getLogger(__name__)


def load_pretrained(backbone: Backbone, cfg: CfgNode) -> None:
    """Load MODEL.BACKBONE.PRETRAIN_PATH into `backbone`, whether or not MODEL.BACKBONE.PRETRAIN says so too.

    Nothing is downloaded: with PRETRAIN and no path, a warning reports that training starts from random weights. If
    MODEL.WEIGHTS is set, it replaces these weights, so nothing is loaded or reported. A table is logged if the file lacks a
    part of the backbone (non-local blocks, or IBN from plain weights), was fitted to another image size or number of
    channels, or holds several state dicts.

    Raises:
        CheckpointError: the file cannot be read or belongs to another network.
    """
    settings = cfg.MODEL.BACKBONE
    if not (settings.PRETRAIN or settings.PRETRAIN_PATH) or cfg.MODEL.WEIGHTS:
        return
    if not settings.PRETRAIN_PATH:
        logger.warning(
            "MODEL.BACKBONE.PRETRAIN is set but MODEL.BACKBONE.PRETRAIN_PATH names no file: "
            "the backbone starts from random weights"
        )
        return
    report = load_weights(backbone.trunk, settings.PRETRAIN_PATH)
    # A classifier in the file without a place here is expected; a part of the backbone that stays random is not.
    if report.notable:
        logger.warning("%s", report.table(rows=8))
