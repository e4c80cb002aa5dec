"""One backbone, one head: images to features in evaluation, to losses in training."""

from collections.abc import Sequence

import torch
from torch import nn
from yacs.config import CfgNode

from fastpatent.backbones import BACKBONES
from fastpatent.device import to_device
from fastpatent.distributed import gather_labels, gather_with_gradient
from fastpatent.errors import ConfigError
from fastpatent.heads import HEADS
from fastpatent.heads.classifying import HeadOutput
from fastpatent.losses import LOSSES
from fastpatent.losses.cross_batch_memory import EmbeddingMemory, build_memory
from fastpatent.losses.objective import DOMAINS, EMBEDDINGS, LOGITS, Objective
from fastpatent.losses.pairs import Past
from fastpatent.models import META_ARCHITECTURES
from fastpatent.models.network import Backbone, Network
from fastpatent.models.pretrained import load_pretrained


class Baseline(Network):
    """Backbone, head and losses; grey images are repeated to the channels of the backbone and normalised on its device.

    Args:
        backbone: module that follows `fastpatent.backbones`.
        head: module (feature_maps, targets) -> features in evaluation, HeadOutput in training.
        losses: Objectives, whose sum is minimised.
        pixel_mean, pixel_std: one number per channel of the backbone's input, over 0..255.
        memory: EmbeddingMemory of previous iterations for losses over pairs, or None.

    Raises:
        ConfigError: a loss reads logits, and the head has no classifier.
    """

    pixel_mean: torch.Tensor
    pixel_std: torch.Tensor

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        losses: Sequence[Objective],
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        memory: EmbeddingMemory | None = None,
    ) -> None:
        super().__init__()
        self.backbone: Backbone = backbone.to(memory_format=backbone.memory_format)
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
        """Return the backbone's feature maps of uint8 images, regardless of the domain."""
        return self.backbone(self.normalise(images))

    def embed_images(self, images: torch.Tensor, domains: torch.Tensor | None = None) -> torch.Tensor:
        """Return float32 features [batch, dim]; see `Network`."""
        return self.heads(self.feature_maps(images, domains)).float()

    def forward(
        self, images: torch.Tensor, targets: torch.Tensor | None = None, domains: torch.Tensor | None = None
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """Return features in evaluation and losses in training.

        Args:
            images: uint8 [batch, 1 or channels, height, width], 0 ink, 255 paper.
            targets: int64 [batch], the class of each image; needed in training.
            domains: int64 [batch] on the CPU, drawing or photograph; None if neither network nor losses use them.

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
        """Return {name: scalar loss} of a HeadOutput, and add its embeddings to the cross-batch memory, if there is one.

        Args:
            output: of the head.
            targets: int64 [batch], the class of each image.
            domains: int64 [batch], on any device; needed only by losses between domains.
        """
        rows: dict[str, tuple[torch.Tensor, torch.Tensor | None]] = {}
        more: dict[str, dict[str, torch.Tensor | Past]] = {}
        if output.logits is not None:
            rows[LOGITS] = output.logits, output.columns
        pairwise = [loss for loss in self.losses if loss.reads != LOGITS]
        if pairwise:
            everywhere = gather_with_gradient(output.embeddings), gather_labels(targets)
            rows |= dict.fromkeys((loss.reads for loss in pairwise), everywhere)
        if DOMAINS in rows:
            assert domains is not None, "a loss between domains needs the domain of each image"
            more[DOMAINS] = {"domains": gather_labels(to_device(domains, targets.device))}
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


def beyond_backbone(
    cfg: CfgNode, feature_dim: int
) -> tuple[nn.Module, list[Objective], list[float], list[float], EmbeddingMemory | None]:
    """Return the arguments of a Baseline after its backbone, whose feature maps have `feature_dim` channels."""
    head = HEADS.get(cfg.MODEL.HEADS.NAME)(cfg, feature_dim)
    losses = [LOSSES.get(name)(cfg) for name in cfg.MODEL.LOSSES.NAME]
    return head, losses, cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD, build_memory(cfg, losses, head)
