"""Non-local block, dot-product form without softmax (Wang et al., CVPR 2018, eq. 4 and 6)."""

import torch
import torch.nn.functional as F
from torch import nn

from fastpatent.layers.norm import build_norm, update_running_statistics
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
        if self.width > 1 or type(self.W[1]) is not nn.BatchNorm2d:
            return self.by_convolutions(features)
        positions = features.permute(0, 2, 3, 1)  # of channels_last no copy
        rows = positions.reshape(-1, self.channels)
        weight, bias = self._inner()
        inner = F.linear(rows, weight.flatten(1), bias).reshape(len(features), -1, 3).transpose(1, 2)
        with without_autocast(features):
            left, right = _rank_one(self.W, _response(inner).flatten())
            sums = torch.addmm(rows, left.to(rows.dtype), right.to(rows.dtype))
        return sums.reshape(positions.shape).permute(0, 3, 1, 2)

    def by_convolutions(self, features: torch.Tensor) -> torch.Tensor:
        """Return the same for every inner width and norm."""
        inner = F.conv2d(features, *self._inner()).flatten(2)
        response = _response(inner).reshape(len(features), self.width, *features.shape[2:])
        return features + self.W(response).to(features.dtype)

    def _inner(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weight and bias of g, theta and phi as one convolution, so that the feature map is read once."""
        layers = (self.g, self.theta, self.phi)
        return torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])  # pyright: ignore[reportArgumentType]


def _response(inner: torch.Tensor) -> torch.Tensor:
    """Return theta^T (phi g^T / N), at least float32 [batch, width, N], of g, theta and phi: [batch, 3 width, N]."""
    # It is cubic in the features: too large for float16, too imprecise in bfloat16.
    with without_autocast(inner):
        g, theta, phi = at_least_float32(inner).chunk(3, dim=1)
        return (g @ phi.transpose(1, 2) / g.shape[2]) @ theta


def _rank_one(last: nn.Sequential, response: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return W r, with its batch norm, as a product of float [positions, 2] and [2, channels].

    Args:
        last: W of one inner channel, and the norm.
        response: r, float [positions].

    Channel c of W r is w r + b, so its mean is w mean(r) + b and its variance w^2 var(r): the norm needs no statistics
    but those of r. The first factor is (r - mean(r)) / max|r - mean(r)| beside 1, which half precision can hold.
    """
    conv, norm = last
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None and isinstance(norm, nn.BatchNorm2d)
    weight, bias = conv.weight.flatten(), conv.bias
    variance, mean = torch.var_mean(response, correction=0)
    of_mean, of_variance = weight * mean + bias, weight.square() * variance
    used_mean, used_variance = of_mean, of_variance
    if norm.training:
        update_running_statistics(norm, of_mean, of_variance, response.numel())
    elif norm.running_mean is not None and norm.running_var is not None:
        used_mean, used_variance = norm.running_mean, norm.running_var
    scale = norm.weight * (used_variance + norm.eps).rsqrt()
    centred = response - mean
    largest = centred.detach().abs().amax(0).clamp_min(torch.finfo(centred.dtype).tiny)
    left = torch.stack([centred / largest, torch.ones_like(centred)], dim=1)
    return left, torch.stack([scale * weight * largest, norm.bias + scale * (of_mean - used_mean)])
