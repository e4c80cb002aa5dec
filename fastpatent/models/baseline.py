"""One network, one head: drawings to features in evaluation, to losses in training."""

import torch
from torch import nn

from fastpatent.backbones import BACKBONES
from fastpatent.distributed import gather_labels, gather_with_gradient
from fastpatent.errors import ConfigError
from fastpatent.heads import HEADS
from fastpatent.losses import LOSSES
from fastpatent.losses.objective import EMBEDDINGS, LOGITS
from fastpatent.models import META_ARCHITECTURES
from fastpatent.models.pretrained import load_pretrained


class Baseline(nn.Module):
    """Backbone, head and losses; grey drawings are widened and normalised at its door, on its device.

    Args:
        backbone: module as `fastpatent.backbones` describes.
        head: module (feature_maps, targets) -> features in evaluation, HeadOutput in training.
        losses: list of Objective.
        pixel_mean, pixel_std: of the channels that the backbone takes, over 0..255.

    Raises:
        ConfigError: the two lists differ in length.
    """

    def __init__(self, backbone, head, losses, pixel_mean, pixel_std):
        super().__init__()
        if len(pixel_mean) != len(pixel_std):
            raise ConfigError(f"MODEL.PIXEL_STD: {len(pixel_std)} values, but MODEL.PIXEL_MEAN has {len(pixel_mean)}")
        self.backbone = backbone.to(memory_format=backbone.memory_format)
        self.heads = head
        self.losses = tuple(losses)
        # Settings, not weights: they stay out of checkpoints.
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).float().view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).float().view(-1, 1, 1), persistent=False)
        if not any(loss.reads == LOGITS for loss in self.losses):
            # Parameters that no loss reaches would stall distributed training.
            self.heads.weight.requires_grad_(False)

    def normalise(self, images):
        """Return float32 [batch, channels, height, width] of uint8 drawings [batch, 1 or channels, height, width]."""
        widened = (images.float() - self.pixel_mean) / self.pixel_std
        return widened.contiguous(memory_format=self.backbone.memory_format)

    def forward(self, images, targets=None, domains=None):
        """Return features in evaluation and losses in training.

        Args:
            images: uint8 [batch, 1 or channels, height, width], 0 ink, 255 paper.
            targets: int64 [batch], the class of each drawing; needed in training.
            domains: int64 [batch], drawing or photograph; one network serves both here.

        Returns:
            in evaluation float32 features [batch, dim]; in training a dict from names to scalar losses, whose sum is the
            objective. Losses over pairs see the batches of all processes, in rank order, and have the same value on
            each; losses over logits are the mean over this process's drawings.
        """
        feature_maps = self.backbone(self.normalise(images))
        if not self.training:
            return self.heads(feature_maps).float()
        output = self.heads(feature_maps, targets)
        rows = {LOGITS: (output.logits, targets)}
        if any(loss.reads == EMBEDDINGS for loss in self.losses):
            rows[EMBEDDINGS] = gather_with_gradient(output.embeddings), gather_labels(targets)
        return {loss.name: loss(*rows[loss.reads]) for loss in self.losses}


@META_ARCHITECTURES.register(name="Baseline")
def build_baseline(cfg):
    """Return the Baseline of MODEL: BACKBONE, HEADS, LOSSES, PIXEL_MEAN and PIXEL_STD."""
    backbone = BACKBONES.get(cfg.MODEL.BACKBONE.NAME)(cfg)
    load_pretrained(backbone, cfg)
    head = HEADS.get(cfg.MODEL.HEADS.NAME)(cfg, backbone.feature_dim)
    losses = [LOSSES.get(name)(cfg) for name in cfg.MODEL.LOSSES.NAME]
    return Baseline(backbone, head, losses, cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD)
