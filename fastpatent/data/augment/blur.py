"""Gaussian blur of batches with one sigma per image; the arithmetic of torchvision's `gaussian_blur`."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from yacs.config import CfgNode

from fastpatent.config.image_size import image_size
from fastpatent.data.augment.random_slots import BLUR_SLOTS, Action
from fastpatent.errors import ConfigError


class Blur:
    """Blur images with a probability, with a standard deviation uniform in a range and reflected borders.

    Args:
        kernel_size: odd side of the kernel in pixels.
        sigma: (lowest, highest) standard deviation in pixels.
        probability: probability that an image is blurred.
    """

    slots = BLUR_SLOTS

    def __init__(self, kernel_size: int, sigma: Sequence[float], probability: float = 0.5) -> None:
        self.kernel_size, self.sigma, self.probability = kernel_size, sigma, probability

    def plan(self, uniforms: np.ndarray, height: int, width: int) -> Iterator[Action]:
        """Yield an Action for the images to blur, if any; `uniforms` float64 [batch, 2]."""
        rows = np.flatnonzero(uniforms[:, 0] < self.probability)
        if len(rows):
            low, high = self.sigma
            yield Action(self._blur, (rows, gaussian_taps(low + (high - low) * uniforms[rows, 1], self.kernel_size)))

    def _blur(self, images: torch.Tensor, rows: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
        return images.index_copy_(0, rows, blur(images.index_select(0, rows), taps))


def gaussian_taps(sigma: np.ndarray, kernel_size: int) -> np.ndarray:
    """Return Gaussian kernels, sampled at whole pixels.

    Args:
        sigma: float64 array [batch] of standard deviations in pixels.
        kernel_size: odd number of samples.

    Returns:
        float32 array [batch, kernel_size]; each row is symmetric and sums to 1.
    """
    distance = np.arange(kernel_size) - kernel_size // 2
    taps = np.exp(-0.5 * (distance / sigma[:, None]) ** 2)
    return (taps / taps.sum(1, keepdims=True)).astype(np.float32)


def blur(images: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Convolve each image with its own kernel, vertically and horizontally.

    Args:
        images: uint8 [batch, 1, height, width]; both sides longer than half the kernel.
        taps: float32 [batch, kernel_size], symmetric.

    Returns:
        uint8 [batch, 1, height, width]: within one grey level of the two-dimensional convolution, rounded.
    """
    reach = taps.shape[1] // 2
    blurred = F.pad(images.float(), (reach,) * 4, mode="reflect")
    for dim in (2, 3):
        blurred = _convolve(blurred, taps, dim)
    return blurred.round_().to(images.dtype)


def _convolve(images: torch.Tensor, taps: torch.Tensor, dim: int) -> torch.Tensor:
    """Add weighted, shifted views.

    Uses no convolution kernel (a GPU may run it in TF32) and no fused multiply-add, so each pixel is rounded the same way
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


def blur_kernel_size(cfg: CfgNode) -> int:
    """Return the odd kernel side in pixels that covers 3 sigma of INPUT.BLUR's strongest blur on each side.

    Raises:
        ConfigError: the reflected border that the kernel needs is wider than the image.
    """
    given = cfg.INPUT
    reach = math.ceil(3 * given.BLUR.SIGMA[1])
    key, size = image_size(cfg, "SIZE_TRAIN")
    if reach >= min(size):
        raise ConfigError(
            f"INPUT.BLUR.SIGMA: {given.BLUR.SIGMA[1]} reaches {reach} pixels, too far for INPUT.{key} {list(size)}"
        )
    return 2 * reach + 1
