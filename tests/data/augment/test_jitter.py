"""Brightness and contrast of batches against Pillow's of single images, pixel by pixel."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from fastpatent.data.augment.jitter import Jitter
from fastpatent.data.seeding import uniforms


@pytest.mark.parametrize("brightness, contrast", [(0.0, 0.6), (0.3, 0.0), (0.5, 0.6), (1.4, 2.0)])
def test_each_image_is_changed_by_its_factors_as_pillow_does(alone, noise, brightness, contrast):
    images = noise(200, 17, 24)
    images[:100] //= 3
    images[0] = 255
    found = alone(Jitter(brightness, contrast, 0.7), images, seed=5)[:, 0].numpy()
    for image, ours, (chance, *shares, order) in zip(images[:, 0].numpy(), found, uniforms(5, np.arange(200), Jitter.slots)):
        changed = Image.fromarray(image)
        changes = [
            (enhancer, max(1 - strength, 0) * (1 - share) + (1 + strength) * share)
            for enhancer, strength, share in zip(
                (ImageEnhance.Brightness, ImageEnhance.Contrast), (brightness, contrast), shares
            )
        ]
        for enhancer, factor in (changes[::-1] if order < 0.5 else changes) if chance < 0.7 else ():
            changed = enhancer(changed).enhance(factor)
        np.testing.assert_array_equal(ours, np.asarray(changed))
