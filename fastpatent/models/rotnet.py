"""RotNet: self-supervised learning by classifying the quarter turns of an image (Gidaris et al., ICLR 2018)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from yacs.config import CfgNode

from fastpatent.backbones import BACKBONES
from fastpatent.config.image_size import image_size
from fastpatent.errors import ConfigError
from fastpatent.heads.embedding_head import EmbeddingHead
from fastpatent.layers import POOLING
from fastpatent.layers.margin import Linear
from fastpatent.losses.objective import LOGITS, Objective
from fastpatent.models import META_ARCHITECTURES
from fastpatent.models.baseline import Baseline
from fastpatent.models.network import Backbone
from fastpatent.models.pretrained import load_pretrained

TURNS = 4


class RotNet(Baseline):
    """A Baseline whose classes are the four turns; the features are the pooled feature maps of the unrotated image.

    Args:
        backbone, pixel_mean, pixel_std: see `Baseline`.
        pool_layer: see `EmbeddingHead`.
    """

    def __init__(
        self, backbone: Backbone, pool_layer: nn.Module, pixel_mean: Sequence[float], pixel_std: Sequence[float]
    ) -> None:
        head = EmbeddingHead(backbone.feature_dim, pool_layer, Linear(TURNS))
        loss = Objective("loss_rotation", F.cross_entropy, LOGITS)
        super().__init__(backbone, head, [loss], pixel_mean, pixel_std)

    def forward(
        self, images: torch.Tensor, targets: torch.Tensor | None = None, domains: torch.Tensor | None = None
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return features in evaluation, {"loss_rotation": mean cross entropy over the four turns} in training.

        Args:
            images: uint8 [batch, 1 or channels, side, side]; the network sees four times as many in training.
            targets, domains: not used.
        """
        if not self.training:
            return super().forward(images)
        turned = torch.cat([torch.rot90(images, turns, (2, 3)) for turns in range(TURNS)])
        return super().forward(turned, torch.arange(TURNS, device=images.device).repeat_interleave(len(images)))


@META_ARCHITECTURES.register(name="RotNet")
def build_rotnet(cfg: CfgNode) -> RotNet:
    """Return the RotNet of MODEL: BACKBONE, HEADS.POOL_LAYER, PIXEL_MEAN and PIXEL_STD.

    Raises:
        ConfigError: training images are not square, so rotated images would have another shape.
    """
    key, (height, width) = image_size(cfg, "SIZE_TRAIN")
    if height != width:
        raise ConfigError(f"INPUT.{key}: RotNet makes quarter turns, so images must be square, not {height} x {width}")
    backbone = BACKBONES.get(cfg.MODEL.BACKBONE.NAME)(cfg)
    load_pretrained(backbone, cfg)
    return RotNet(backbone, POOLING.get(cfg.MODEL.HEADS.POOL_LAYER)(), cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD)
