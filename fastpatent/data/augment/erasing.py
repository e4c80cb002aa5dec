"""Random erasing (Zhong et al., AAAI 2020) of batches: one rectangle of an image is filled."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from yacs.config import CfgNode

from fastpatent.data.augment.random_slots import ERASING_SLOTS, Action, whole

AREA = (0.02, 0.33)  # share of the image
RATIO = (0.3, 3.3)  # height / width
ATTEMPTS = 10


class Erasing:
    """Fill a rectangle of each image with a probability; sizes and shapes are sampled as in torchvision's RandomErasing.

    Args:
        probability: probability that an image is erased.
        value: grey level.
        area: (smallest, largest) share of the image's area.
    """

    slots = ERASING_SLOTS

    def __init__(self, probability: float = 0.5, value: int = 0, area: Sequence[float] = AREA) -> None:
        self.probability, self.value, self.area = probability, value, area

    def plan(self, uniforms: np.ndarray, height: int, width: int) -> Iterator[Action]:
        """Yield an Action for the batch if any rectangle is to be filled; `uniforms` float64 [batch, 3 + 2 * ATTEMPTS]."""
        fires, top, left = uniforms[:, 0] < self.probability, uniforms[:, 1], uniforms[:, 2]
        areas, ratios = uniforms[:, 3 : 3 + ATTEMPTS], uniforms[:, 3 + ATTEMPTS :]
        rows, columns = rectangles(areas, ratios, height, width, self.area)
        rows, columns = rows * fires, columns * fires
        top, left = whole(top, height - rows + 1), whole(left, width - columns + 1)
        if (rows * columns).any():
            yield Action(self._erase, (top, top + rows, left, left + columns))

    def _erase(
        self, images: torch.Tensor, top: torch.Tensor, bottom: torch.Tensor, left: torch.Tensor, right: torch.Tensor
    ) -> torch.Tensor:
        row = torch.arange(images.shape[2], device=images.device)[:, None]
        column = torch.arange(images.shape[3], device=images.device)
        top, bottom, left, right = (edge[:, None, None, None] for edge in (top, bottom, left, right))
        within = ((row >= top) & (row < bottom)) & ((column >= left) & (column < right))
        return images.masked_fill_(within, self.value)


def rectangles(
    areas: np.ndarray, ratios: np.ndarray, height: int, width: int, area: Sequence[float] = AREA
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sides of the first rectangle of each image that is smaller than the image in both directions.

    Args:
        areas, ratios: uniforms float64 [batch, attempts]: the area is uniform in `area`, the log of the ratio in log(RATIO).
        height, width: of the images, in pixels.
        area: (smallest, largest) share of the image's area.

    Returns:
        (rows, columns): int64 [batch]; 0 where no attempt fits.
    """
    pixels = height * width * (area[0] + (area[1] - area[0]) * areas)
    low, high = map(math.log, RATIO)
    ratio = np.exp(low + (high - low) * ratios)
    sides = np.rint(np.sqrt(np.stack([pixels * ratio, pixels / ratio]))).astype(np.int64)
    fits = (sides[0] < height) & (sides[1] < width)
    first = fits.argmax(1)
    rows, columns = (side[np.arange(len(first)), first] * fits.any(1) for side in sides)
    return rows, columns


def erasing_grey(cfg: CfgNode) -> int:
    """Return the mean of INPUT.REA.VALUE as a whole grey level, 0..255."""
    values = cfg.INPUT.REA.VALUE
    return round(sum(values) / len(values))
