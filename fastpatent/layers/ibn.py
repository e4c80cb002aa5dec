"""IBN-a: instance norm on half of the channels, batch norm on the rest (Pan et al., ECCV 2018, figure 3a)."""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from fastpatent.layers.norm import build_norm, update_running_statistics
from fastpatent.layers.precision import at_least_float32

POSITIONS = (2, 3)


class IBN(nn.Module):
    """Normalise the first half of the channels within each image and the second half over the batch.

    The parameters are named IN.* and BN.*, as in the published ImageNet weights; IN has no running statistics.

    The channels are neither split nor joined, so that they keep their layout in memory. Mean and variance of each channel
    of each image are computed once; those of the batch are the mean of the means, and the mean of the variances plus the
    variance of the means.

    Args:
        channels: of the input; if odd, the second half is larger.
        norm: name of the norm of the second half (`fastpatent.layers.norm`). Only batch norm of one process is joined.
    """

    def __init__(self, channels: int, norm: str = "BN") -> None:
        super().__init__()
        self.split = channels // 2
        self.IN = nn.InstanceNorm2d(self.split, affine=True)
        self.BN = build_norm(norm, channels - self.split)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return float [batch, channels, height, width], the shape, dtype and layout of `features`.

        Raises:
            ValueError: one position an image, whose variance is 0.
        """
        if features.shape[2] * features.shape[3] == 1:
            raise ValueError(f"IBN needs more than one position an image, got an input of size {tuple(features.shape)}")
        if type(self.BN) is not nn.BatchNorm2d:
            instance, batch = features.tensor_split([self.split], dim=1)
            instance = normalise(instance, self.IN.weight, self.IN.bias, self.IN.eps)[0]
            return torch.cat([instance, self.BN(batch)], dim=1)
        weight, bias = torch.cat([self.IN.weight, self.BN.weight]), torch.cat([self.IN.bias, self.BN.bias])
        running = None
        if not self.BN.training and self.BN.running_mean is not None and self.BN.running_var is not None:
            running = torch.stack([self.BN.running_mean, self.BN.running_var])
        normalised, mean, variance = normalise(features, weight, bias, self.IN.eps, self.split, running)
        if running is None:
            update_running_statistics(self.BN, mean, variance, features.numel() // features.shape[1])
        return normalised


def normalise(
    features: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    eps: float,
    split: int | None = None,
    running: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalise channels within each image up to `split`, and over the batch from there on.

    Args:
        features: float [batch, channels, height, width]; half precision is computed in float32.
        weight, bias: float [channels].
        eps: added to each variance.
        split: channels that are normalised within each image; None: all.
        running: float [2, channels - split], mean and variance in place of the batch's; these get no gradient.

    Returns:
        `features` normalised, of the same shape, dtype and layout; mean and variance (biased) of the other channels over
        the batch, float [channels - split], without gradient.
    """
    split = features.shape[1] if split is None else split
    if torch.compiler.is_compiling():  # which joins the steps into few kernels, also backwards
        scale, shift, mean, variance = _affine(features, weight, bias, eps, split, running)[:4]
        return torch.addcmul(shift, features, scale).to(features.dtype), mean.detach(), variance.detach()
    return _Normalise.apply(features, weight, bias, eps, split, running)


def _affine(
    features: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float, split: int, running: torch.Tensor | None
) -> tuple[torch.Tensor, ...]:
    """Return scale and shift of `normalise`, mean and variance of the batch, and the means and 1 / deviations in use.

    All but the batch's are float [batch, channels, 1, 1].
    """
    of_images, variances = _moments(at_least_float32(features))
    parts = of_images[:, split:]
    mean = parts.mean(0)
    variance = variances[:, split:].mean(0) + (parts - mean).square().mean(0)
    used = (mean, variance) if running is None else running[..., None, None].to(mean.dtype)
    means = torch.cat([of_images[:, :split], used[0].expand_as(parts)], dim=1)
    inverse = torch.cat([variances[:, :split], used[1].expand_as(parts)], dim=1).add(eps).rsqrt()
    scale = inverse * weight[:, None, None]
    return scale, bias[:, None, None] - means * scale, mean.flatten(), variance.flatten(), means, inverse


def _moments(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance of each channel of each image, float [batch, channels, 1, 1]."""
    if values.is_cuda:  # one kernel; on a CPU it is 20 times slower than two passes
        variance, mean = torch.var_mean(values, POSITIONS, correction=0, keepdim=True)
        return mean, variance
    mean = values.mean(POSITIONS, keepdim=True)
    return mean, (values - mean).square().mean(POSITIONS, keepdim=True)


class _Normalise(torch.autograd.Function):
    """y = weight x' + bias with x' of mean 0 and variance 1, and its gradient from the sums of g and g x' of each image.

    The gradient of x is weight / deviation (g - mean(g) - x' mean(g x')), the means over what x' is normalised over.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        features, weight, _, _, ctx.split, running = arguments
        scale, shift, mean, variance, means, inverse = _affine(*arguments)
        ctx.save_for_backward(features, weight, means, inverse)
        ctx.of_batch = running is None
        ctx.mark_non_differentiable(mean, variance)
        return _multiply_add(features, scale, shift, features), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        features, weight, means, inverse = ctx.saved_tensors
        gradient, centred = _wide(gradients[0]), _wide(features) - means
        of_bias = gradient.mean(POSITIONS, keepdim=True, dtype=means.dtype)
        of_weight = (gradient * centred).mean(POSITIONS, keepdim=True) * inverse
        positions = features.shape[2] * features.shape[3]
        sums = [(positions * part.sum((0, 2, 3))).to(weight.dtype) for part in (of_weight, of_bias)]
        for part in (of_weight, of_bias):
            batch = part[:, ctx.split :]
            batch.copy_(batch.mean(0, keepdim=True) if ctx.of_batch else torch.zeros_like(batch))
        scale = inverse * weight[:, None, None]
        found = torch.addcmul(-of_bias * scale, gradient, scale)
        found = _multiply_add(centred, -of_weight * inverse * scale, found, features)
        return found, *sums, None, None, None, None


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    """Return half precision as float32 on a CPU, which would convert it in every operation; a GPU reads it as it is."""
    return tensor if tensor.is_cuda else at_least_float32(tensor)


def _multiply_add(tensor: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return tensor * scale + shift, computed in float32 or float64, with the dtype and layout of `like`."""
    if like.is_cuda:  # one kernel
        return torch.addcmul(shift, tensor, scale, out=torch.empty_like(like))
    return torch.addcmul(shift, _wide(tensor), scale).to(like.dtype)
