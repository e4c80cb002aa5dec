"""IBN-a: instance norm on half of the channels, batch norm on the rest (Pan et al., ECCV 2018, figure 3a)."""

import torch
from torch import nn

from fastpatent.layers.norm import build_norm


class IBN(nn.Module):
    """Normalise the first half of the channels within each image and the second half over the batch.

    The parameters are named IN.* and BN.*, as in the published ImageNet weights; IN has no running statistics.

    Args:
        channels: of the input; if odd, the second half is larger.
        norm: name of the norm of the second half (`fastpatent.layers.norm`).
    """

    def __init__(self, channels: int, norm: str = "BN") -> None:
        super().__init__()
        self.split = channels // 2
        self.IN = nn.InstanceNorm2d(self.split, affine=True)
        self.BN = build_norm(norm, channels - self.split)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return float [batch, channels, height, width], the shape of `features`."""
        instance, batch = features.tensor_split([self.split], dim=1)
        return torch.cat([self.IN(instance), self.BN(batch)], dim=1)
