"""Gaussian blur with a strength of its own for each image, as torchvision's `gaussian_blur` does it to one."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from fastpatent.data.augment.draws import BLUR_SLOTS, Action
from fastpatent.errors import ConfigError


class Blur:
    """Blur images with a probability, with a standard deviation uniform in a range, borders mirrored.

    Args:
        kernel_size: odd side of the kernel in pixels.
        sigma: (lowest, highest) standard deviation in pixels.
        probability: of an image to be blurred.
    """

    slots = BLUR_SLOTS

    def __init__(self, kernel_size, sigma, probability=0.5):
        self.kernel_size, self.sigma, self.probability = kernel_size, sigma, probability

    def plan(self, uniforms, height, width):
        """Yield an Action for the images to blur, if any; `uniforms` float64 [batch, 2]."""
        rows = np.flatnonzero(uniforms[:, 0] < self.probability)
        if len(rows):
            low, high = self.sigma
            yield Action(self._blur, (rows, gaussian_taps(low + (high - low) * uniforms[rows, 1], self.kernel_size)))

    def _blur(self, images, rows, taps):
        return images.index_copy_(0, rows, blur(images.index_select(0, rows), taps))


def gaussian_taps(sigma, kernel_size):
    """Sample Gaussians at whole pixels.

    Args:
        sigma: float64 array [batch] of standard deviations in pixels.
        kernel_size: odd number of samples.

    Returns:
        float32 array [batch, kernel_size]; each row is symmetric and sums to 1.
    """
    distance = np.arange(kernel_size) - kernel_size // 2
    taps = np.exp(-0.5 * (distance / sigma[:, None]) ** 2)
    return (taps / taps.sum(1, keepdims=True)).astype(np.float32)


def blur(images, taps):
    """Convolve each image with its own taps down and across.

    Args:
        images: uint8 [batch, 1, height, width]; both sides longer than half a kernel.
        taps: float32 [batch, kernel_size], symmetric.

    Returns:
        uint8 [batch, 1, height, width]: within one grey level of the two-dimensional convolution, rounded.
    """
    reach = taps.shape[1] // 2
    blurred = F.pad(images.float(), (reach,) * 4, mode="reflect")
    for dim in (2, 3):
        blurred = _convolve(blurred, taps, dim)
    return blurred.round_().to(images.dtype)


def _convolve(images, taps, dim):
    """Weigh and add shifted views.

    Neither a convolution kernel (which a card may run in TF32) nor fused multiply-adds: so each pixel is rounded alike
    on every device and in a batch of any size.
    """
    reach = taps.shape[1] // 2
    length = images.shape[dim] - 2 * reach
    weights = taps[:, :, None, None, None]
    blurred = images.narrow(dim, reach, length) * weights[:, reach]
    pair = torch.empty_like(blurred)
    for away in range(1, reach + 1):
        torch.add(images.narrow(dim, reach - away, length), images.narrow(dim, reach + away, length), out=pair)
        blurred += pair.mul_(weights[:, reach + away])
    return blurred


def blur_kernel_size(cfg):
    """Return the odd side, in pixels, of a kernel that holds 3 sigma of INPUT.BLUR's strongest blur to either side.

    Raises:
        ConfigError: the mirrored border that the kernel needs is wider than the drawing.
    """
    given = cfg.INPUT
    reach = math.ceil(3 * given.BLUR.SIGMA[1])
    only_cropped = given.CROP.ENABLED and not given.PADDING.ENABLED
    key = "CROP.SIZE" if only_cropped else "SIZE_TRAIN"
    size = given.CROP.SIZE if only_cropped else given.SIZE_TRAIN
    if reach >= min(size):
        raise ConfigError(
            f"INPUT.BLUR.SIGMA: {given.BLUR.SIGMA[1]} reaches {reach} pixels, too far for INPUT.{key} {list(size)}"
        )
    return 2 * reach + 1
