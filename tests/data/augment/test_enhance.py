"""Contrast and sharpness against torchvision's and against float64.

Where the exact grey level is an integer, truncation depends on the last bit; torchvision's result then depends on whether
its loop uses fused multiply-add. A difference of one level is allowed there only.
"""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torchvision.transforms.v2 import functional

from fastpatent.data.augment.enhance import adjust_contrast, adjust_sharpness


def contrast(image, factor):
    """Blend with the mean, in float64."""
    return factor * image + (1 - factor) * image.mean()


def sharpness(image, factor):
    """Blend the inside with its weighted 3 x 3 mean, in float64."""
    result = image.copy()
    if min(image.shape) > 2:
        weights = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
        smooth = np.round(ndimage.correlate(image, weights))[1:-1, 1:-1]
        result[1:-1, 1:-1] = factor * image[1:-1, 1:-1] + (1 - factor) * smooth
    return result


@pytest.mark.parametrize(
    "ours, theirs, truth",
    [
        (adjust_contrast, functional.adjust_contrast, contrast),
        (adjust_sharpness, functional.adjust_sharpness, sharpness),
    ],
)
def test_it_is_torchvisions(noise, ours, theirs, truth):
    for size in ((64, 64), (17, 40), (1, 5), (3, 3), (2, 9)):
        images = noise(9, *size)
        images[0] //= 9
        images[1] = 255
        images[1, 0, 0, 0] = 254
        before = images.clone()
        for factor in (0.0, 0.2, 0.7, 1.0, 1.8):
            found, at = ours(images, factor), f"{size=}, {factor=}"
            assert found.dtype == torch.uint8 and torch.equal(images, before), at
            for image, one in zip(images, found):
                exact = truth(image[0].double().numpy(), factor).clip(0, 255)
                whole = np.abs(exact - exact.round()) < 1e-3
                assert (one[0].numpy() == np.floor(exact))[~whole].all() and (np.abs(one[0].numpy() - exact) <= 1).all(), at
                difference = (one.int() - theirs(image, factor).int()).abs()[0].numpy()
                assert not difference[~whole].any() and difference.max() <= 1, at


def test_flat_images_stay_at_their_level():
    for level in [0, 128, 255]:
        for ours in [adjust_contrast, adjust_sharpness]:
            flat = torch.full((1, 1, 20, 20), level, dtype=torch.uint8)
            assert (ours(flat, 1.8).int() - level).abs().max() <= 1, f"{level=}, {ours.__name__}"
