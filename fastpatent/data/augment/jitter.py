"""Random brightness and contrast of grey batches, with the pixels that Pillow gives for single images."""

from collections.abc import Iterator

import numpy as np
import torch

from fastpatent.data.augment.random_slots import JITTER_SLOTS, Action


class Jitter:
    """Change brightness and contrast with a probability, in random order, by factors uniform around 1 and at least 0.

    Args:
        brightness, contrast: largest distance of their factors from 1.
        probability: probability that an image is changed.
    """

    slots = JITTER_SLOTS

    def __init__(self, brightness: float, contrast: float, probability: float = 0.5) -> None:
        self.brightness, self.contrast, self.probability = brightness, contrast, probability

    def plan(self, uniforms: np.ndarray, height: int, width: int) -> Iterator[Action]:
        """Yield Actions: contrast before brightness, brightness, contrast after it; `uniforms` float64 [batch, 4]."""
        fires, contrast_first = uniforms[:, 0] < self.probability, uniforms[:, 3] < 0.5
        brightness, contrast = (
            _factors(strength, uniforms[:, slot]) for slot, strength in ((1, self.brightness), (2, self.contrast))
        )
        for function, factors, chosen in (
            (_adjust_contrast, contrast, fires & contrast_first),
            (_adjust_brightness, brightness, fires),
            (_adjust_contrast, contrast, fires & ~contrast_first),
        ):
            rows = np.flatnonzero(chosen & (factors != 1))
            if len(rows):
                yield Action(function, (rows, factors[rows]))


def _factors(strength: float, uniforms: np.ndarray) -> np.ndarray:
    low, high = max(1 - strength, 0), 1 + strength
    return (low + (high - low) * uniforms).astype(np.float32)


def _adjust_brightness(images: torch.Tensor, rows: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    chosen = images.index_select(0, rows)
    return images.index_copy_(0, rows, _blend(torch.zeros_like(factors), chosen, factors))


def _adjust_contrast(images: torch.Tensor, rows: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    chosen = images.index_select(0, rows)
    pixels = chosen[0].numel()
    means = (2 * chosen.sum((1, 2, 3)) + pixels).div(2 * pixels, rounding_mode="floor")  # rounded, in whole numbers
    return images.index_copy_(0, rows, _blend(means.float(), chosen, factors))


def _blend(levels: torch.Tensor, images: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Move grey levels away from (factor above 1) or towards one level for each image; fractions are cut off, as by Pillow.

    Product and sum are separate operations, never fused, so each pixel is the same on every device.
    """
    levels, factors = levels[:, None, None, None], factors[:, None, None, None]
    return (images - levels).mul_(factors).add_(levels).clamp_(0, 255).to(torch.uint8)
