"""One network, one head: drawings to features in evaluation, to losses in training."""

import torch
from torch import nn

from fastpatent.backbones import BACKBONES
from fastpatent.distributed import gather_labels, gather_with_gradient
from fastpatent.errors import ConfigError
from fastpatent.heads import HEADS
from fastpatent.losses import LOSSES
from fastpatent.losses.memory import build_memory
from fastpatent.losses.objective import DOMAINS, EMBEDDINGS, LOGITS
from fastpatent.models import META_ARCHITECTURES
from fastpatent.models.pretrained import load_pretrained


class Baseline(nn.Module):
    """Backbone, head and losses; grey drawings are widened and normalised at its door, on its device.

    Args:
        backbone: module as `fastpatent.backbones` describes.
        head: module (feature_maps, targets) -> features in evaluation, HeadOutput in training.
        losses: list of Objective.
        pixel_mean, pixel_std: of the channels that the backbone takes, over 0..255.
        memory: EmbeddingMemory of past drawings for losses over pairs, or None.

    Raises:
        ConfigError: the two lists differ in length, or a loss reads logits that the head does not give.
    """

    def __init__(self, backbone, head, losses, pixel_mean, pixel_std, memory=None):
        super().__init__()
        if len(pixel_mean) != len(pixel_std):
            raise ConfigError(f"MODEL.PIXEL_STD: {len(pixel_std)} values, but MODEL.PIXEL_MEAN has {len(pixel_mean)}")
        self.backbone = backbone.to(memory_format=backbone.memory_format)
        self.heads = head
        self.losses = tuple(losses)
        self.memory = memory
        # Settings, not weights: they stay out of checkpoints.
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).float().view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).float().view(-1, 1, 1), persistent=False)
        class_weights = getattr(self.heads, "weight", None)
        on_logits = [loss.name for loss in self.losses if loss.reads == LOGITS]
        if on_logits and class_weights is None:
            raise ConfigError(
                f"MODEL.LOSSES.NAME: {', '.join(on_logits)} reads the logits of a classifier, which {type(head).__name__} "
                "does not have; choose losses over pairs"
            )
        if class_weights is not None and not on_logits:
            # Parameters that no loss reaches would stall distributed training.
            class_weights.requires_grad_(False)

    def normalise(self, images):
        """Return float32 [batch, channels, height, width] of uint8 drawings [batch, 1 or channels, height, width]."""
        widened = (images.float() - self.pixel_mean) / self.pixel_std
        return widened.contiguous(memory_format=self.backbone.memory_format)

    def feature_maps(self, images, domains=None):
        """Return the backbone's feature maps of uint8 images; one network serves all domains here."""
        return self.backbone(self.normalise(images))

    def forward(self, images, targets=None, domains=None):
        """Return features in evaluation and losses in training.

        Args:
            images: uint8 [batch, 1 or channels, height, width], 0 ink, 255 paper.
            targets: int64 [batch], the class of each drawing; needed in training.
            domains: int64 [batch] on the CPU, drawing or photograph; None where neither network nor losses tell them apart.

        Returns:
            in evaluation float32 features [batch, dim]; in training a dict from names to scalar losses, whose sum is the
            objective. Losses over pairs see the batches of all processes, in rank order, and have the same value on
            each; losses over logits are the mean over this process's drawings.
        """
        feature_maps = self.feature_maps(images, domains)
        if not self.training:
            return self.heads(feature_maps).float()
        return self.objective_losses(self.heads(feature_maps, targets), targets, domains)

    def objective_losses(self, output, targets, domains=None):
        """Return {name: scalar loss} of a HeadOutput; drawings that a memory compares with are remembered.

        Args:
            output: HeadOutput.
            targets: int64 [batch], the class of each drawing.
            domains: int64 [batch], on any device; needed by losses between domains only.
        """
        rows, more = {LOGITS: (output.logits, output.columns)}, {}
        pairwise = [loss for loss in self.losses if loss.reads != LOGITS]
        if pairwise:
            everywhere = gather_with_gradient(output.embeddings), gather_labels(targets)
            rows |= {loss.reads: everywhere for loss in pairwise}
        if DOMAINS in rows:
            more[DOMAINS] = {"domains": gather_labels(domains.to(targets.device, non_blocking=True))}
        if self.memory is not None:
            more[EMBEDDINGS] = {"past": self.memory.past()}
        losses = {loss.name: loss(*rows[loss.reads], **more.get(loss.reads, {})) for loss in self.losses}
        if self.memory is not None:
            self.memory.add(*everywhere)
        return losses


@META_ARCHITECTURES.register(name="Baseline")
def build_baseline(cfg):
    """Return the Baseline of MODEL: BACKBONE, HEADS, LOSSES, PIXEL_MEAN and PIXEL_STD."""
    backbone = BACKBONES.get(cfg.MODEL.BACKBONE.NAME)(cfg)
    load_pretrained(backbone, cfg)
    return Baseline(backbone, *beyond_backbone(cfg, backbone.feature_dim))


def beyond_backbone(cfg, feature_dim):
    """Return what a Baseline takes after its backbone, which gives `feature_dim` channels: (head, losses, ..., memory)."""
    head = HEADS.get(cfg.MODEL.HEADS.NAME)(cfg, feature_dim)
    losses = [LOSSES.get(name)(cfg) for name in cfg.MODEL.LOSSES.NAME]
    return head, losses, cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD, build_memory(cfg, losses, head)
