"""Non-local block, dot-product form without softmax (Wang et al., CVPR 2018, eq. 4 and 6)."""

import torch
import torch.nn.functional as F
from torch import nn

from fastpatent.layers.norm import build_norm
from fastpatent.layers.precision import at_least_float32, without_autocast


class NonLocal(nn.Module):
    """z = x + norm(W(y)), y = (theta^T phi / N) g over all N positions of a feature map.

    There is no nonlinearity between the two products, so they are computed from the right: theta^T (phi g^T / N). The cost
    is linear in N for every width; at width 1 this is `theta * mean(phi * g)`.

    Args:
        channels: of the input.
        norm: name of the last norm of the block (`fastpatent.layers.norm`). Its weight and bias start at 0, so that a new
            block is the identity.
        width: channels of theta, phi and g: 1, or channels / 2 in older checkpoints.
    """

    def __init__(self, channels: int, norm: str = "BN", width: int = 1) -> None:
        super().__init__()
        self.channels = channels
        self.g = nn.Conv2d(channels, width, 1)
        last = build_norm(norm, channels)
        self.W = nn.Sequential(nn.Conv2d(width, channels, 1), last)
        self.theta = nn.Conv2d(channels, width, 1)
        self.phi = nn.Conv2d(channels, width, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    @property
    def width(self) -> int:
        """Channels of theta, phi and g."""
        return self.g.out_channels

    def set_width(self, width: int) -> None:
        """Replace the four convolutions by new ones of another inner width, with the same device and dtype."""
        device, dtype = self.g.weight.device, self.g.weight.dtype
        self.g = nn.Conv2d(self.channels, width, 1, device=device, dtype=dtype)
        self.theta = nn.Conv2d(self.channels, width, 1, device=device, dtype=dtype)
        self.phi = nn.Conv2d(self.channels, width, 1, device=device, dtype=dtype)
        self.W[0] = nn.Conv2d(width, self.channels, 1, device=device, dtype=dtype)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return float [batch, channels, height, width], the shape of `features`."""
        # One convolution instead of three, so that the feature map is read once.
        weight = torch.cat([self.g.weight, self.theta.weight, self.phi.weight])
        bias = torch.cat([layer.bias for layer in (self.g, self.theta, self.phi) if layer.bias is not None])
        inner = F.conv2d(features, weight, bias)
        # The response is cubic in the features: too large for float16, too imprecise in bfloat16.
        with without_autocast(features):
            g, theta, phi = at_least_float32(inner).flatten(2).chunk(3, dim=1)
            response = (g @ phi.transpose(1, 2) / g.shape[2]) @ theta
        response = response.reshape(len(features), self.width, *features.shape[2:])
        return features + self.W(response).to(features.dtype)
