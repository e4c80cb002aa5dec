"""The first convolution of a tower for three colours, folded to take a grey drawing as it comes from disk."""

import torch
import torch.nn.functional as F
from torch import nn

from fastpatent.layers.precision import without_autocast

PAPER = 255
UNIT = 64  # near the deviation of pixels; by a power of two every grey stays exact in bfloat16 and float16


class GreyConv2d(nn.Conv2d):
    """A convolution over three channels that gives, for one grey channel, what it would for three normalised copies.

    The weights keep their three channels, and with them their names, file format and gradients: the sum over the channels is
    taken in every step. Paper becomes 0, and what it adds is computed once for all drawings in full precision.

    Args:
        conv: nn.Conv2d of three channels in, whose parameters are taken over.
        mean, std: lists of three numbers over 0..255.
    """

    def __init__(self, conv, mean, std):
        shape = conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation
        super().__init__(*shape, bias=conv.bias is not None, device="meta")
        self.weight, self.bias = conv.weight, conv.bias
        # Settings, not weights: they stay out of checkpoints.
        self.register_buffer("mean", torch.tensor(mean).float().view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).float().view(1, 3, 1, 1), persistent=False)

    def forward(self, images):
        """Return float [batch, out_channels, height', width'] of uint8 drawings [batch, 1, height, width]."""
        weight = (self.weight * (UNIT / self.std)).sum(1, keepdim=True)
        paper = (self.weight * ((PAPER - self.mean) / self.std)).sum(1, keepdim=True)
        ink = (images.to(self.weight.dtype) - PAPER) / UNIT
        geometry = self.stride, self.padding, self.dilation
        if self.padding in ((0, 0), "valid"):
            bias = paper.sum((1, 2, 3)) + (0 if self.bias is None else self.bias)
            return F.conv2d(ink, weight, bias, *geometry)
        # Beyond its edge a drawing has normalised zeros, which are neither paper nor ink.
        with without_autocast(ink):
            blank = F.conv2d(torch.ones_like(ink[:1]), paper, self.bias, *geometry)
        drawn = F.conv2d(ink, weight, None, *geometry)
        return (drawn + blank).to(drawn.dtype)


class Widen(nn.Module):
    """Three normalised copies of a grey drawing, where a tower has no single convolution to fold.

    Args:
        mean, std: lists of three numbers over 0..255.
    """

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).float().view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).float().view(1, 3, 1, 1), persistent=False)

    def forward(self, images):
        """Return float32 [batch, 3, height, width] of uint8 drawings [batch, 1, height, width]."""
        return (images.float() - self.mean) / self.std


def take_grey(tower, mean, std):
    """Make a tower take grey drawings, in place.

    Args:
        tower: open_clip's image tower, for three channels.
        mean, std: lists of three numbers over 0..255.

    Returns:
        module that uint8 drawings [batch, 1, height, width] must pass before the tower: nothing where its first convolution
        could be folded, `Widen` where several layers read the drawing or pad it otherwise.
    """
    readers = [(name, layer) for name, layer in tower.named_modules() if getattr(layer, "in_channels", None) == 3]
    if len(readers) == 1 and type(readers[0][1]) is nn.Conv2d and readers[0][1].padding_mode == "zeros":
        name, conv = readers[0]
        tower.set_submodule(name, GreyConv2d(conv, mean, std))
        return nn.Identity()
    return Widen(mean, std)
