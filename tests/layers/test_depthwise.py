"""Depthwise convolutions with fast gradients: the same numbers as torch's own, in float64 and in bfloat16."""

import copy

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from fastpatent.layers.depthwise import DepthwiseConv2d, is_depthwise, replace_depthwise

# kernel, stride, padding and size: every way in which the gradient of the input can be taken
SHAPES = [
    (3, 1, 1, 9),
    (3, 2, 1, 16),
    (5, 1, 2, 8),
    (5, 2, 2, 17),
    (5, 2, 0, 16),
    (3, 3, 0, 12),
    (3, 2, 2, 7),
    (3, 2, 3, 7),
    (1, 2, 0, 9),
]


def gradients(conv: nn.Module, images: torch.Tensor, weigh: torch.Tensor, autocast: bool) -> tuple[torch.Tensor, ...]:
    images = images.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        output = conv(images)
    parameters = list(conv.parameters())
    return output.detach(), *torch.autograd.grad((output.double() * weigh).sum(), [images, *parameters])


@pytest.mark.parametrize(("kernel", "stride", "padding", "size"), SHAPES)
@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_the_gradients_in_bfloat16_are_those_in_float64(kernel, stride, padding, size, same, bias):
    torch.manual_seed(0)
    kind = Conv2dSame if same else nn.Conv2d
    conv = kind(16, 16, kernel, stride, padding, groups=16, bias=bias)
    images = torch.randn(3, 16, size, size + 1)
    # bfloat16 keeps 8 bits; numbers that it holds exactly leave only the roundings of the results
    images = images.bfloat16().float()
    conv.requires_grad_(False)
    for parameter in conv.parameters():
        parameter.copy_(parameter.bfloat16().float())
    conv.requires_grad_(True)
    exact = copy.deepcopy(conv).double()
    weigh = torch.randn(exact(images.double()).shape).bfloat16().double()

    wanted = gradients(exact, images.double(), weigh, autocast=False)
    found = gradients(DepthwiseConv2d(conv), images, weigh, autocast=True)

    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.shape == theirs.shape
        assert (ours.double() - theirs).abs().max() <= 2**-7 * theirs.abs().max()


def test_in_float32_and_without_gradients_it_is_torch_s_own():
    conv = nn.Conv2d(8, 8, 5, 2, 2, groups=8)
    images = torch.randn(2, 8, 16, 16)
    assert torch.equal(DepthwiseConv2d(conv)(images), conv(images))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(DepthwiseConv2d(conv)(images), conv(images))


def test_only_plain_depthwise_convolutions_are_replaced_and_names_stay():
    network = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=4),
        Conv2dSame(4, 4, 3, stride=2, groups=4),
        nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 8, 3, groups=4)),
        nn.Conv2d(4, 4, 3, groups=4, dilation=2),
        nn.Conv2d(4, 4, 3, groups=4, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, padding_mode="reflect"),
        nn.Conv2d(1, 1, 3),
    )
    before = network.state_dict()

    replace_depthwise(network)

    assert [name for name, module in network.named_modules() if isinstance(module, DepthwiseConv2d)] == ["0", "1"]
    assert not any(is_depthwise(module) for module in network.modules())
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
