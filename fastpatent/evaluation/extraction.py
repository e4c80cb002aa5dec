"""Extraction as one module, from the pixels of an image to its features, so that a file can carry all of it."""

from collections.abc import Sequence

import torch
from torch import nn

from fastpatent.data.fitting import Fit
from fastpatent.evaluation.features import embed_views
from fastpatent.models import Network


class Extraction(nn.Module):
    """The features of `extract_features` in float32.

    Args:
        network: in evaluation mode.
        flip, scales, turns: see `extract_features`.
        fit: fits one image of any size; None: the module takes a batch of images that were fitted before.
    """

    def __init__(
        self, network: Network, flip: bool, scales: Sequence[float], fit: Fit | None = None, turns: bool = False
    ) -> None:
        super().__init__()
        self.network, self.flip, self.scales, self.fit, self.turns = network, flip, tuple(scales), fit, turns

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Take uint8 [height, width] and return float32 [dim]; without `fit` [batch, 1, height, width] and [batch, dim]."""
        fitted = images if self.fit is None else self.fit(images)[None, None]
        features = embed_views(self.network, fitted, None, self.flip, self.scales, self.turns)
        return features if self.fit is None else features[0]
