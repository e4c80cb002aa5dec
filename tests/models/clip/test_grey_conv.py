"""The folded first convolution against the convolution of three normalised copies."""

import copy

import torch

from fastpatent.models import build_model
from fastpatent.models.clip.grey_conv import GreyConv2d
from tests.models.pairs import BATCH, MEAN, SIDE, STD, config, drawings, in_colour


def test_one_mean_serves_three_channels(pair_file):
    model = build_model(config(pair_file(), MODEL__PIXEL_MEAN=[120.0], MODEL__PIXEL_STD=[60.0])).eval()
    plain = copy.deepcopy(model)
    plain.visual.conv1 = torch.nn.Conv2d(3, 32, 8, 8, bias=False)
    plain.visual.conv1.weight = model.visual.conv1.weight
    with torch.no_grad():
        expected = plain.visual((drawings().float().expand(-1, 3, -1, -1) - 120) / 60)
        torch.testing.assert_close(model.visual(drawings()), expected, rtol=0, atol=1e-5)


def test_the_folded_convolution_equals_the_convolution_of_three_copies():
    torch.manual_seed(0)
    for padding, dilation, bias in ((0, 1, True), (1, 1, True), (2, 2, False), ("valid", 1, False), ("same", 1, True)):
        stride = 1 if padding == "same" else 4
        conv = torch.nn.Conv2d(3, 8, 5, stride, padding, dilation, bias=bias)
        with torch.no_grad():
            found, expected = GreyConv2d(conv, MEAN, STD)(drawings()), conv(in_colour(drawings()))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5, msg=f"padding {padding}, dilation {dilation}")


def test_the_folded_convolution_is_more_accurate_in_bfloat16():
    torch.manual_seed(0)
    images = drawings().masked_fill(torch.rand(BATCH, 1, SIDE, SIDE) > 0.1, 255)  # ink is rare
    for padding in (0, 1):
        conv = torch.nn.Conv2d(3, 64, 8, 4, padding, bias=False)
        folded = GreyConv2d(conv, MEAN, STD)
        with torch.no_grad():
            exact = conv(in_colour(images))
            with torch.autocast("cpu", torch.bfloat16):
                errors = [(found.float() - exact).abs().mean() for found in (folded(images), conv(in_colour(images)))]
        assert errors[0] < errors[1], padding
