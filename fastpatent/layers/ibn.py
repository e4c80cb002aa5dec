"""IBN-a: instance norm on half of the channels, batch norm on the rest (Pan et al., ECCV 2018, figure 3a)."""

import torch
from torch import nn

from fastpatent.layers.norm import build_norm


class IBN(nn.Module):
    """Normalise the first half of the channels within each drawing and the second half over the batch.

    The parameters are called IN.* and BN.*, as in the published ImageNet weights; IN keeps no running statistics.

    Args:
        channels: of the input; with an odd number the second half is the larger.
        norm: name of the norm of the second half (`fastpatent.layers.norm`).
    """

    def __init__(self, channels, norm="BN"):
        super().__init__()
        self.half = channels // 2
        self.IN = nn.InstanceNorm2d(self.half, affine=True)
        self.BN = build_norm(norm, channels - self.half)

    def forward(self, features):
        """Return float [batch, channels, height, width], the shape of `features`."""
        instance, batch = features.tensor_split([self.half], dim=1)
        return torch.cat([self.IN(instance), self.BN(batch)], dim=1)
