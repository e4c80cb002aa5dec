"""Random rotation of batches about their centre, with the pixels that Pillow gives for single images."""

from collections.abc import Iterator

import numpy as np
import torch

from fastpatent.data.augment.moves import move, source_matrix, sources
from fastpatent.data.augment.random_slots import ROTATION_SLOTS, Action


class Rotation:
    """Rotate images with a probability, by an angle uniform between -degrees and degrees.

    Args:
        degrees: largest angle.
        fill: grey level of uncovered areas.
        probability: probability that an image is rotated.
    """

    slots = ROTATION_SLOTS

    def __init__(self, degrees: float, fill: int, probability: float = 0.5) -> None:
        self.degrees, self.fill, self.probability = degrees, fill, probability

    def plan(self, uniforms: np.ndarray, height: int, width: int) -> Iterator[Action]:
        """Yield an Action for the images to rotate, if any; `uniforms` float64 [batch, 2]."""
        rows = np.flatnonzero(uniforms[:, 0] < self.probability)
        if len(rows):
            angles = self.degrees * (2 * uniforms[rows, 1] - 1)
            matrices = [source_matrix("Rotate", angle, height, width) for angle in angles]
            yield Action(self._rotate, (rows, np.array(matrices, np.float32)))

    def _rotate(self, images: torch.Tensor, rows: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
        places = sources(matrices, *images.shape[2:])
        return images.index_copy_(0, rows, move(images.index_select(0, rows), places, False, self.fill))
