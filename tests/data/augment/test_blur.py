"""Blur against torchvision's, one image at a time, and against float64."""

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from torchvision.transforms.v2.functional import gaussian_blur

from fastpatent.data.augment.blur import Blur, blur, gaussian_taps


@pytest.mark.parametrize("kernel_size, strengths", [(7, (0.1, 0.33, 0.7, 1.0)), (3, (0.2, 0.3)), (19, (0.5, 2.9))])
def test_each_image_is_torchvisions_blur_within_one_level(noise, kernel_size, strengths):
    for size in [(32, 32), (23, 40), (10, 90)]:
        images = noise(len(strengths), *size)
        images[0, 0, :, ::2], images[0, 0, :, 1::2] = 0, 255
        found = blur(images, torch.from_numpy(gaussian_taps(np.array(strengths), kernel_size)))
        assert found.dtype == torch.uint8, f"{size=}"
        for image, strength, one in zip(images, strengths, found):
            difference = (one.int() - gaussian_blur(image, kernel_size, strength).int()).abs()
            assert difference.max() <= 1 and difference.float().mean() < 1e-3, f"{size=}"
            distance = np.arange(kernel_size) - kernel_size // 2
            weights = np.exp(-(distance**2) / (2 * strength**2))
            exact = image[0].double().numpy()
            for axis in (0, 1):
                exact = ndimage.correlate1d(exact, weights / weights.sum(), axis, mode="mirror")
            assert np.abs(one[0].numpy() - exact).max() < 0.5 + 1e-3, f"{size=}"


def test_a_flat_image_stays_flat(alone):
    images = torch.arange(256, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 9, 9).contiguous()
    assert torch.equal(alone(Blur(7, (0.1, 1.0), 1.0), images), images)


def test_blur_fires_at_its_probability_with_a_uniform_strength(alone):
    """After a blur, a single black pixel keeps a share of its blackness equal to the central weight of the kernel."""
    for probability in [0.0, 0.5, 1.0]:
        low, high = 0.5, 1.0
        images = torch.full((8000, 1, 9, 9), 255, dtype=torch.uint8)
        images[:, :, 4, 4] = 0
        found = alone(Blur(7, (low, high), probability), images)
        middle = (255 - found[:, 0, 4, 4].numpy().astype(float)) / 255
        blurred = middle < 1
        assert abs(blurred.mean() - probability) <= 3 * (probability * (1 - probability) / 8000) ** 0.5, f"{probability=}"
        if probability:
            strengths = np.linspace(low, high, 4000)
            weights = gaussian_taps(strengths, 7)[:, 3].astype(float) ** 2
            drawn = np.interp(middle[blurred], weights[::-1], strengths[::-1])
            drawn += np.random.default_rng(0).uniform(-0.002, 0.002, len(drawn))  # grey levels are quantised
            assert stats.kstest(drawn, stats.uniform(low, high - low).cdf).pvalue > 1e-3, f"{probability=}"
