"""Depthwise convolutions whose backward pass is fast in bfloat16 on a CPU.

oneDNN has a fast bfloat16 forward pass, but no fast kernel for the gradient of the input of a strided convolution, nor
for that of filters larger than 3 x 3. EfficientNet-Lite0 spends half of its training step there
(`benchmarks/depthwise.py`).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution that replaces `conv`: the same parameters and output, other gradient kernels.

    Args:
        conv: a Conv2d, or timm's Conv2dSame, which pads as TensorFlow does; see `is_depthwise`.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        options: dict[str, Any] = {"stride": conv.stride, "padding": conv.padding, "groups": conv.groups}
        super().__init__(conv.in_channels, conv.out_channels, conv.kernel_size, bias=False, device="meta", **options)  # pyright: ignore[reportArgumentType]  # a pair
        self.weight, self.bias = conv.weight, conv.bias
        self.pads_same = type(conv) is not nn.Conv2d

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return float [batch, channels, height', width'] for float [batch, channels, height, width]."""
        padding = self.padding
        if self.pads_same:
            from timm.layers.padding import pad_same

            input, padding = pad_same(input, list(self.kernel_size), list(self.stride)), (0, 0)
        if not _trains_in_bf16(input):
            return F.conv2d(input, self.weight, self.bias, self.stride, padding, groups=self.groups)
        output: Any = _Bfloat16Depthwise.apply(input.bfloat16(), self.weight.bfloat16(), self.stride, padding)
        return output if self.bias is None else output + self.bias.bfloat16()[:, None, None]


def is_depthwise(module: nn.Module) -> bool:
    """Whether `DepthwiseConv2d` can replace `module`: one filter a channel, zeros around the image, no dilation."""
    from timm.layers.conv2d_same import Conv2dSame

    return (
        type(module) in (nn.Conv2d, Conv2dSame)
        and isinstance(module, nn.Conv2d)
        and 1 < module.groups == module.in_channels == module.out_channels
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def replace_depthwise(network: nn.Module) -> None:
    """Replace the depthwise convolutions within `network`, in place; names and parameters stay."""
    for parent in list(network.modules()):
        for name, module in parent.named_children():
            if is_depthwise(module):
                setattr(parent, name, DepthwiseConv2d(module))  # pyright: ignore[reportArgumentType]  # is a Conv2d


def _trains_in_bf16(images: torch.Tensor) -> bool:
    return (
        images.device.type == "cpu"
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") is torch.bfloat16
    )


class _Bfloat16Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int], padding: tuple[int, int]
    ) -> torch.Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(images, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        (gradient,), (images, weight) = gradients, ctx.saved_tensors
        of_images = of_weight = None
        if ctx.needs_input_grad[0]:
            of_images = _gradient_of_images(gradient, images, weight, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            # Filters of nine numbers have a fast kernel in bfloat16, larger ones in float32 only.
            dtype = torch.bfloat16 if weight[0].numel() <= 9 else torch.float32
            arguments = (gradient.to(dtype), images.to(dtype), weight.to(dtype), ctx.stride, ctx.padding)
            of_weight = _gradients(*arguments, wanted=1).to(weight.dtype)
        return of_images, of_weight, None, None


def _gradient_of_images(
    gradient: torch.Tensor, images: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> torch.Tensor:
    kernel = weight.shape[2:]
    around = [length - 1 - pad for length, pad in zip(kernel, padding, strict=True)]
    if stride == (1, 1) or min(around) < 0:
        return _gradients(gradient, images, weight, stride, padding, wanted=0)
    # The gradient with zeros between its values, convolved with the mirrored filter: a forward pass, which is fast.
    lengths = [size + 2 * pad - length + 1 for size, pad, length in zip(images.shape[2:], padding, kernel, strict=True)]
    spread = torch.zeros_like(gradient[..., :1, :1].expand(-1, -1, *lengths), memory_format=torch.channels_last)
    spread[:, :, :: stride[0], :: stride[1]] = gradient
    return F.conv2d(spread, weight.flip(2, 3), None, 1, around, groups=len(weight))


def _gradients(
    gradient: torch.Tensor,
    images: torch.Tensor,
    weight: torch.Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    wanted: int,
) -> torch.Tensor:
    mask = [wanted == 0, wanted == 1, False]
    results = torch.ops.aten.convolution_backward(
        gradient, images, weight, None, stride, padding, (1, 1), False, (0, 0), len(weight), mask
    )
    return results[wanted]
