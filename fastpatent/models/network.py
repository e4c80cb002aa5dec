"""The contract of a network; see `fastpatent.models`."""

import torch
from torch import nn

from fastpatent.backbones import layer_depths
from fastpatent.errors import ConfigError


class Backbone(nn.Module):
    """Type of a module that follows `fastpatent.backbones`; a backbone need not derive from it."""

    feature_dim: int
    memory_format: torch.memory_format
    trunk: nn.Module


class Network(nn.Module):
    """Base of networks: the interface that training, evaluation and export use.

    Attributes:
        best_metric: metric that chooses the best checkpoint where TEST.BEST_METRIC is auto.
        essential: prefixes of the parameters that a weights file must have, see `fastpatent.models.weights.load_weights`.
    """

    best_metric: str = "mAP"
    essential: tuple[str, ...] = ()

    def embed_images(self, images: torch.Tensor, domains: torch.Tensor | None = None) -> torch.Tensor:
        """Return float32 features [batch, dim] of uint8 images [batch, 1, height, width], 0 ink, 255 paper.

        Args:
            images: float32 of the same range where they were resized.
            domains: int64 [batch] on the CPU, drawing or photograph; None: all are drawings.
        """
        raise NotImplementedError

    def feature_maps(self, images: torch.Tensor, domains: torch.Tensor | None = None) -> torch.Tensor | None:
        """Return the last feature maps [batch, channels, height', width'] of uint8 images; None of a network without any.

        Args:
            images, domains: see `embed_images`.
        """
        return None

    def embed_texts(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return float32 features [batch, dim] of tokens int64 [batch, context]; ConfigError without a text tower."""
        raise ConfigError(f"MODEL.META_ARCHITECTURE: {type(self).__name__} has no text tower")

    @property
    def backbones(self) -> dict[str, nn.Module]:
        """{name of the child module: backbone}: what MODEL.COMPILE compiles and SOLVER.LAYER_DECAY applies to."""
        return {}

    @property
    def head(self) -> nn.Module | None:
        """The head, whose learning rate SOLVER.HEADS_LR_FACTOR multiplies; None where there is none."""
        return None

    @property
    def classifier_weight(self) -> nn.Parameter | None:
        """The class weights [classes, dim], needed in training only; None where there are none."""
        return None

    def layer_depths(self, backbone: str) -> dict[str, int]:
        """Return {name of a parameter of one of `backbones`: number of its layer}, 0 the first layer."""
        return layer_depths(self.backbones[backbone])

    def backbone_inputs(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return {name of a backbone: its input} for a batch of uint8 images [batch, 1, height, width]."""
        return {}

    def name_of(self, parameter: nn.Parameter | None) -> str | None:
        """Return the dotted name of a parameter; None for None."""
        return next((name for name, found in self.named_parameters() if found is parameter), None)
