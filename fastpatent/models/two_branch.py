"""One tower for drawings, one for photographs, and a common head (Sangkloy et al., SIGGRAPH 2016)."""

import copy
import logging
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from fastpatent.backbones import BACKBONES
from fastpatent.data.records import DRAWING
from fastpatent.device import to_device
from fastpatent.models import META_ARCHITECTURES
from fastpatent.models.baseline import Baseline, beyond_backbone
from fastpatent.models.network import Backbone
from fastpatent.models.pretrained import load_pretrained
from fastpatent.models.weights import load_weights

logger = logging.getLogger(__name__)


class TwoBranch(Baseline):
    """A Baseline whose feature maps come from one of two towers: `backbone` for drawings, `photo_backbone` for photographs.

    Args:
        backbone, photo_backbone: backbones of the same architecture.
        arguments, options: the further ones of `Baseline`.
    """

    def __init__(self, backbone: Backbone, photo_backbone: Backbone, *arguments: Any, **options: Any) -> None:
        super().__init__(backbone, *arguments, **options)
        self.photo_backbone: Backbone = photo_backbone.to(memory_format=photo_backbone.memory_format)

    @property
    def backbones(self) -> dict[str, nn.Module]:
        """See `Network`."""
        return {"backbone": self.backbone, "photo_backbone": self.photo_backbone}

    def feature_maps(self, images: torch.Tensor, domains: torch.Tensor | None = None) -> torch.Tensor:
        """Return the feature maps of uint8 drawings and photographs, in their order in the batch.

        In training, a tower without images gets gradients of 0, because DistributedDataParallel waits for every parameter.

        Args:
            images: see `Baseline.forward`.
            domains: int64 [batch]. On the CPU, no device synchronisation is needed to split the batch. None: all are
                drawings.
        """
        if domains is None:
            return super().feature_maps(images, domains)
        domains = domains.cpu()
        order = domains.argsort(stable=True)  # drawings first
        drawings = domains.tolist().count(DRAWING)
        sides = self.normalise(_pick(images, order)).split([drawings, len(images) - drawings])
        towers = self.backbone, self.photo_backbone
        maps = torch.cat([tower(side) for tower, side in zip(towers, sides) if len(side)])
        for tower, side in zip(towers, sides):
            if self.training and not len(side):
                maps = maps + _zero(tower)
        return _pick(maps, order.argsort())


def _pick(rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return rows.index_select(0, to_device(places, rows.device))


def _zero(module: nn.Module) -> torch.Tensor | int:
    """Return 0 as a differentiable function of every trainable parameter of a module."""
    return sum(0 * parameter.sum() for parameter in module.parameters() if parameter.requires_grad)


@META_ARCHITECTURES.register(name="TwoBranch")
def build_two_branch(cfg: CfgNode) -> TwoBranch:
    """Return the TwoBranch of MODEL; each tower starts from its file in TOWER_WEIGHTS, or else as a Baseline's backbone.

    The files are checkpoints of a Baseline, of which only the backbone is read. MODEL.WEIGHTS replaces them.

    Raises:
        ConfigError: unknown component, or a setting that it does not support.
        CheckpointError: a file cannot be read or belongs to another network.
    """
    backbone = BACKBONES.get(cfg.MODEL.BACKBONE.NAME)(cfg)
    load_pretrained(backbone, cfg)
    towers = backbone, copy.deepcopy(backbone)
    for tower, path in zip(towers, cfg.MODEL.TOWER_WEIGHTS):
        if path and not cfg.MODEL.WEIGHTS:
            _load_tower(tower, path)
    return TwoBranch(*towers, *beyond_backbone(cfg, backbone.feature_dim))


def _load_tower(tower: Backbone, path: str) -> None:
    """Load the backbone of a checkpoint of a Baseline; a table is logged if the tower differs from the file."""
    report = load_weights(tower.trunk, path)
    if report.notable:
        logger.warning("%s", report.table(rows=8))
