"""One backbone, one head: images to features in evaluation, to losses in training."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from fastpatent.backbones import BACKBONES
from fastpatent.distributed import gather_labels, gather_with_gradient
from fastpatent.errors import ConfigError
from fastpatent.heads import HEADS
from fastpatent.heads.classifying import HeadOutput
from fastpatent.losses import LOSSES
from fastpatent.losses.cross_batch_memory import EmbeddingMemory, build_memory
from fastpatent.losses.objective import DOMAINS, EMBEDDINGS, LOGITS, Objective
from fastpatent.models import META_ARCHITECTURES
from fastpatent.models.network import Network
from fastpatent.models.pretrained import load_pretrained


class Baseline(Network):
    """Backbone, head and losses; grey images are repeated to its channels and normalised on its device.

    Args:
        backbone: module as `fastpatent.backbones` describes.
        head: module (feature_maps, targets) -> features in evaluation, HeadOutput in training.
        losses: list of Objective.
        pixel_mean, pixel_std: of the channels that the backbone takes, over 0..255.
        memory: EmbeddingMemory of past steps for losses over pairs, or None.

    Raises:
        ConfigError: a loss reads logits that the head does not give.
    """

    pixel_mean: torch.Tensor
    pixel_std: torch.Tensor

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        losses: Sequence[Objective],
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        memory: EmbeddingMemory | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone.to(memory_format=backbone.memory_format)
        self.heads = head
        self.losses = tuple(losses)
        self.memory = memory
        # Settings, not weights: they stay out of checkpoints.
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).float().view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).float().view(-1, 1, 1), persistent=False)
        class_weights = self.classifier_weight
        on_logits = [loss.name for loss in self.losses if loss.reads == LOGITS]
        if on_logits and class_weights is None:
            raise ConfigError(
                f"MODEL.LOSSES.NAME: {', '.join(on_logits)} reads the logits of a classifier, which {type(head).__name__} "
                "does not have; choose losses over pairs"
            )
        if class_weights is not None and not on_logits:
            # Parameters that no loss reaches would stall distributed training.
            class_weights.requires_grad_(False)

    @property
    def backbones(self) -> dict[str, nn.Module]:
        """See `Network`."""
        return {"backbone": self.backbone}

    @property
    def head(self) -> nn.Module:
        """See `Network`."""
        return self.heads

    @property
    def classifier_weight(self) -> nn.Parameter | None:
        """See `Network`."""
        return getattr(self.heads, "weight", None)

    def backbone_inputs(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """See `Network`."""
        return dict.fromkeys(self.backbones, self.normalise(images))

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Return float32 [batch, channels, height, width] of uint8 images [batch, 1 or channels, height, width]."""
        widened = (images.float() - self.pixel_mean) / self.pixel_std
        return widened.contiguous(memory_format=self.backbone.memory_format)

    def feature_maps(self, images: torch.Tensor, domains: torch.Tensor | None = None) -> torch.Tensor:
        """Return the backbone's feature maps of uint8 images; one backbone serves all domains here."""
        return self.backbone(self.normalise(images))

    def embed_images(self, images: torch.Tensor, domains: torch.Tensor | None = None) -> torch.Tensor:
        """Return float32 features [batch, dim]; see `Network`."""
        return self.heads(self.feature_maps(images, domains)).float()

    def forward(self, images: torch.Tensor, targets: torch.Tensor | None = None, domains: torch.Tensor | None = None) -> Any:
        """Return features in evaluation and losses in training.

        Args:
            images: uint8 [batch, 1 or channels, height, width], 0 ink, 255 paper.
            targets: int64 [batch], the class of each image; needed in training.
            domains: int64 [batch] on the CPU, drawing or photograph; None where neither network nor losses use it.

        Returns:
            in evaluation float32 features [batch, dim]; in training a dict from names to scalar losses, whose sum is the
            objective. Losses over pairs see the batches of all processes, in rank order, and have the same value on
            each; losses over logits are the mean over this process's images.
        """
        if not self.training:
            return self.embed_images(images, domains)
        assert targets is not None, "training needs the class of each image"
        return self.objective_losses(self.heads(self.feature_maps(images, domains), targets), targets, domains)

    def objective_losses(
        self, output: HeadOutput, targets: torch.Tensor, domains: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Return {name: scalar loss} of a HeadOutput; a memory of past steps takes its embeddings.

        Args:
            output: HeadOutput.
            targets: int64 [batch], the class of each image.
            domains: int64 [batch], on any device; needed by losses between domains only.
        """
        rows: dict[str, tuple] = {LOGITS: (output.logits, output.columns)}
        more: dict[str, dict[str, Any]] = {}
        pairwise = [loss for loss in self.losses if loss.reads != LOGITS]
        everywhere = ()
        if pairwise:
            everywhere = gather_with_gradient(output.embeddings), gather_labels(targets)
            rows |= {loss.reads: everywhere for loss in pairwise}
        if DOMAINS in rows:
            assert domains is not None, "a loss between domains needs the domain of each image"
            more[DOMAINS] = {"domains": gather_labels(domains.to(targets.device, non_blocking=True))}
        if self.memory is not None:
            more[EMBEDDINGS] = {"past": self.memory.past()}
        losses = {loss.name: loss(*rows[loss.reads], **more.get(loss.reads, {})) for loss in self.losses}
        if self.memory is not None:
            self.memory.add(*everywhere)
        return losses


@META_ARCHITECTURES.register(name="Baseline")
def build_baseline(cfg: CfgNode) -> Baseline:
    """Return the Baseline of MODEL: BACKBONE, HEADS, LOSSES, PIXEL_MEAN and PIXEL_STD."""
    backbone = BACKBONES.get(cfg.MODEL.BACKBONE.NAME)(cfg)
    load_pretrained(backbone, cfg)
    return Baseline(backbone, *beyond_backbone(cfg, backbone.feature_dim))


def beyond_backbone(cfg: CfgNode, feature_dim: int) -> tuple:
    """Return what a Baseline takes after its backbone, which gives `feature_dim` channels: (head, losses, ..., memory)."""
    head = HEADS.get(cfg.MODEL.HEADS.NAME)(cfg, feature_dim)
    losses = [LOSSES.get(name)(cfg) for name in cfg.MODEL.LOSSES.NAME]
    return head, losses, cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD, build_memory(cfg, losses, head)
