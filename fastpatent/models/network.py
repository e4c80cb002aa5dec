"""The contract of a network; see `fastpatent.models`."""

from collections.abc import Callable

import torch
from torch import nn

from fastpatent.backbones import layer_depths
from fastpatent.errors import ConfigError


class Network(nn.Module):
    """Base of networks: what training, evaluation and export may ask of any of them.

    Attributes:
        best_metric: metric that chooses the best checkpoint where TEST.BEST_METRIC is auto.
        essential: beginnings of names that a weights file must have, see `fastpatent.models.weights.load_weights`.
        tokenize: function of a list of texts that returns int64 [texts, context]; None of a network without `embed_texts`.
    """

    best_metric: str = "mAP"
    essential: tuple[str, ...] = ()
    tokenize: Callable[[list[str]], torch.Tensor] | None = None

    def embed_images(self, images: torch.Tensor, domains: torch.Tensor | None = None) -> torch.Tensor:
        """Return float32 features [batch, dim] of uint8 images [batch, 1, height, width], 0 ink, 255 paper.

        Args:
            images: also float32 where images were resized, same range.
            domains: int64 [batch] on the CPU, drawing or photograph; None: all are drawings.
        """
        raise NotImplementedError

    def embed_texts(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return float32 features [batch, dim] of tokens int64 [batch, context]; ConfigError without a text tower."""
        raise ConfigError(f"MODEL.META_ARCHITECTURE: {type(self).__name__} has no text tower")

    @property
    def backbones(self) -> dict[str, nn.Module]:
        """The backbones by the names of the children that hold them: what is compiled, and has layers that decay."""
        return {}

    @property
    def head(self) -> nn.Module | None:
        """The head, whose learning rate SOLVER.HEADS_LR_FACTOR multiplies; None where there is none."""
        return None

    @property
    def classifier_weight(self) -> nn.Parameter | None:
        """The class weights [classes, dim] that training alone needs; None where there are none."""
        return None

    def layer_depths(self, backbone: str) -> dict[str, int]:
        """Return {name of a parameter of one of `backbones`: number of its layer}, 0 the first layer."""
        return layer_depths(self.backbones[backbone])

    def backbone_inputs(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what each of `backbones` would be called with for a batch of uint8 images [batch, 1, height, width]."""
        return {}

    def name_of(self, parameter: nn.Parameter | None) -> str | None:
        """Return the dotted name of a parameter; None for None."""
        return next((name for name, found in self.named_parameters() if found is parameter), None)
