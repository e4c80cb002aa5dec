"""Non-local block, dot-product form without softmax (Wang et al., CVPR 2018, eq. 4 and 6)."""

import torch
import torch.nn.functional as F
from torch import nn

from fastpatent.layers.norm import build_norm
from fastpatent.layers.precision import at_least_float32, without_autocast


class NonLocal(nn.Module):
    """z = x + norm(W(y)), y = (theta^T phi / N) g over all N positions of a feature map.

    Nothing nonlinear stands between the two products, so they are taken from the right: theta^T (phi g^T / N). The cost is
    linear in N for every width, and at width 1 this is `theta * mean(phi * g)`.

    Args:
        channels: of the input.
        norm: name of the norm that closes the block (`fastpatent.layers.norm`). It starts at 0: the block is the
            identity until it has learned something.
        width: channels of theta, phi and g: 1, or channels / 2 in older checkpoints.
    """

    def __init__(self, channels, norm="BN", width=1):
        super().__init__()
        self.channels = channels
        self.g = nn.Conv2d(channels, width, 1)
        self.W = nn.Sequential(nn.Conv2d(width, channels, 1), build_norm(norm, channels))
        self.theta = nn.Conv2d(channels, width, 1)
        self.phi = nn.Conv2d(channels, width, 1)
        nn.init.zeros_(self.W[1].weight)
        nn.init.zeros_(self.W[1].bias)

    @property
    def width(self):
        """Channels of theta, phi and g."""
        return self.g.out_channels

    def set_width(self, width):
        """Replace the four convolutions by new ones of another inner width, on the same device and of the same dtype."""
        place = {"device": self.g.weight.device, "dtype": self.g.weight.dtype}
        self.g = nn.Conv2d(self.channels, width, 1, **place)
        self.theta = nn.Conv2d(self.channels, width, 1, **place)
        self.phi = nn.Conv2d(self.channels, width, 1, **place)
        self.W[0] = nn.Conv2d(width, self.channels, 1, **place)

    def forward(self, features):
        """Return float [batch, channels, height, width], the shape of `features`."""
        # One convolution for the three, so that the feature map is read once.
        weight = torch.cat([self.g.weight, self.theta.weight, self.phi.weight])
        bias = torch.cat([self.g.bias, self.theta.bias, self.phi.bias])
        inner = F.conv2d(features, weight, bias)
        # The response is cubic in the features: it leaves the range of float16 and the precision of bfloat16.
        with without_autocast(features):
            g, theta, phi = at_least_float32(inner).flatten(2).chunk(3, dim=1)
            response = (g @ phi.transpose(1, 2) / g.shape[2]) @ theta
        response = response.reshape(len(features), self.width, *features.shape[2:])
        return features + self.W(response).to(features.dtype)
