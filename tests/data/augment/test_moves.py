"""Rotations and shears of batches against Pillow's of single images."""

import numpy as np
import pytest
import torch
from PIL import Image

from fastpatent.data.augment.moves import move, source_matrix, sources


def pillows(name, magnitude, pixels, bicubic, fill):
    """The operation as fast-reid calls Pillow for it; uint8 [height, width]."""
    image, resampling = Image.fromarray(pixels), Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
    if name == "Rotate":
        return np.asarray(image.rotate(magnitude, resampling, fillcolor=fill))
    shear = (1, magnitude, 0, 0, 1, 0)
    return np.asarray(image.transform(image.size, Image.Transform.AFFINE, shear, resampling, fillcolor=fill))


@pytest.mark.parametrize("bicubic", [False, True])
@pytest.mark.parametrize(
    "name, magnitude", [("Rotate", 27), ("Rotate", -24), ("Rotate", 9), ("ShearX", 0.15), ("ShearX", -0.15)]
)
def test_each_image_of_a_batch_is_pillows_within_a_level(noise, name, magnitude, bicubic):
    for height, width in [(32, 32), (24, 37), (61, 16), (1, 5)]:
        images = noise(3, height, width)
        images[0] = 255  # flat paper stays at its level
        matrix = torch.tensor(source_matrix(name, magnitude, height, width), dtype=torch.float64)
        places = sources(matrix, height, width).expand(3, -1, -1)
        found = move(images, places, bicubic, 77)
        assert found.dtype == torch.uint8 and found.shape == images.shape
        expected = np.stack([pillows(name, magnitude, image[0].numpy(), bicubic, 77) for image in images])
        difference = np.abs(found[:, 0].numpy().astype(int) - expected)
        assert not difference[0].any() and difference.max() <= 1 and (difference > 0).mean() < 0.01, (height, width)
