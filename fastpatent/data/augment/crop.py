"""Padding with random crops, and horizontal flips, of batches."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from fastpatent.data.augment.random_slots import CROP_SLOTS, FLIP_SLOTS, Action, whole

Mode = Literal["constant", "edge", "reflect", "symmetric"]


class PadAndCrop:
    """Pad a batch on all sides and crop each image to its original size at a random place.

    Args:
        padding: pixels on each side.
        mode: constant, edge, reflect or symmetric, as in NumPy's `pad`.
        value: grey level of constant padding.
    """

    slots = CROP_SLOTS

    def __init__(self, padding: int, mode: Mode = "constant", value: int = 0) -> None:
        self.padding, self.value = padding, value
        self.mode: Mode = mode

    def plan(self, uniforms: np.ndarray, height: int, width: int) -> Iterator[Action]:
        """Yield one Action for all images of a batch; `uniforms` float64 [batch, 2]."""
        if self.mode == "constant":
            sources = ()
        else:  # torch cannot reflect integers, nor pad by more than the image's size
            sources = tuple(np.pad(np.arange(side), self.padding, self.mode) for side in (height, width))
        yield Action(self._take, (*whole(uniforms, 2 * self.padding + 1).T, *sources))

    def _take(self, images: torch.Tensor, tops: torch.Tensor, lefts: torch.Tensor, *sources: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[2:]
        if sources:
            padded = images.index_select(2, sources[0]).index_select(3, sources[1])
        else:
            padded = F.pad(images, (self.padding,) * 4, value=self.value)
        windows = padded[:, 0].unfold(1, height, 1).unfold(2, width, 1)  # views [batch, top, left, height, width]
        return windows[torch.arange(len(images), device=images.device), tops, lefts].unsqueeze(1)


class Flip:
    """Flip images horizontally with a probability."""

    slots = FLIP_SLOTS

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = probability

    def plan(self, uniforms: np.ndarray, height: int, width: int) -> Iterator[Action]:
        """Yield an Action for the images to flip, if any; `uniforms` float64 [batch, 1]."""
        rows = np.flatnonzero(uniforms[:, 0] < self.probability)
        if len(rows):
            yield Action(self._mirror, (rows,))

    def _mirror(self, images: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return images.index_copy_(0, rows, images.index_select(0, rows).flip(3))
