"""The first convolution of a tower for colour images, folded to take grey images as they are on disk."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fastpatent.layers.precision import without_autocast

PAPER = 255
UNIT = 64  # near the standard deviation of pixels; a power of two keeps every grey exact in bfloat16 and float16


class GreyConv2d(nn.Conv2d):
    """A convolution over three channels that gives, for one grey channel, what it would for three normalised copies.

    The weights keep their three channels, and so their names, file format and gradients; every forward pass sums over the
    channels. Paper becomes 0; its contribution is computed once for all images, in full precision.

    Args:
        conv: convolution over three channels, whose parameters are used.
        mean, std: three numbers over 0..255.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, conv: nn.Conv2d, mean: Sequence[float], std: Sequence[float]) -> None:
        shape: Any = conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation
        super().__init__(*shape, bias=conv.bias is not None, device="meta")
        self.weight, self.bias = conv.weight, conv.bias
        _register_pixels(self, mean, std)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return float [batch, out_channels, height', width'] of uint8 images [batch, 1, height, width]."""
        weight = (self.weight * (UNIT / self.std)).sum(1, keepdim=True)
        paper = (self.weight * ((PAPER - self.mean) / self.std)).sum(1, keepdim=True)
        ink = (input.to(self.weight.dtype) - PAPER) / UNIT
        if self.padding in ((0, 0), "valid"):
            bias = paper.sum((1, 2, 3)) + (0 if self.bias is None else self.bias)
            return self._conv_forward(ink, weight, bias)
        # The padding is 0 after normalisation, which is neither paper nor ink.
        with without_autocast(ink):
            blank = self._conv_forward(torch.ones_like(ink[:1]), paper, self.bias)
        drawn = self._conv_forward(ink, weight, None)
        return (drawn + blank).to(drawn.dtype)


class Widen(nn.Module):
    """Three normalised copies of a grey image, for towers without a single convolution to fold.

    Args:
        mean, std: three numbers over 0..255.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        _register_pixels(self, mean, std)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return float32 [batch, 3, height, width] of uint8 images [batch, 1, height, width]."""
        return (images.float() - self.mean) / self.std


def _register_pixels(module: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
    """Add the buffers `mean` and `std`, [1, 3, 1, 1], which are settings, not weights: checkpoints do not contain them."""
    for name, values in (("mean", mean), ("std", std)):
        module.register_buffer(name, torch.tensor(values).float().view(1, 3, 1, 1), persistent=False)


def take_grey(tower: nn.Module, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """Make a tower take grey images, in place.

    Args:
        tower: open_clip's image tower, for three channels.
        mean, std: three numbers over 0..255.

    Returns:
        module that uint8 images [batch, 1, height, width] must pass before the tower: the identity if its first convolution
        could be folded, `Widen` if several layers read the image or the padding is not by zeros.
    """
    readers = [(name, layer) for name, layer in tower.named_modules() if getattr(layer, "in_channels", None) == 3]
    if len(readers) == 1:
        name, conv = readers[0]
        if type(conv) is nn.Conv2d and conv.padding_mode == "zeros":
            tower.set_submodule(name, GreyConv2d(conv, mean, std))
            return nn.Identity()
    return Widen(mean, std)
