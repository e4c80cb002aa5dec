"""Rotations of batches against Pillow's of single images."""

import numpy as np
from PIL import Image

from fastpatent.data.augment.rotation import Rotation
from fastpatent.data.seeding import uniforms


def test_each_image_is_rotated_by_its_angle_as_pillow_does(alone, noise):
    for height, width in [(32, 32), (24, 37), (130, 128)]:
        images = noise(60, height, width)
        images[0] = 255  # flat paper stays at its level
        found = alone(Rotation(25.0, 77, 0.7), images, seed=3)[:, 0].numpy()
        drawn = uniforms(3, np.arange(60), Rotation.slots)
        expected = [
            np.asarray(Image.fromarray(image).rotate(50 * share - 25, Image.Resampling.BILINEAR, fillcolor=77))
            if chance < 0.7
            else image
            for image, (chance, share) in zip(images[:, 0].numpy(), drawn)
        ]
        difference = np.abs(found.astype(int) - np.stack(expected))
        wrong = (difference > 1).mean()  # at an edge float32 may decide otherwise whether a pixel has a source
        assert wrong < 1e-4 and (difference > 0).mean() < 0.01, (height, width)
