"""Sketch-a-Net against the same layers written out, and training from random weights."""

import pytest
import torch
import torch.nn.functional as F

from fastpatent.backbones import BACKBONES
from fastpatent.backbones.sketch_a_net import SketchANet
from fastpatent.config import get_cfg
from fastpatent.errors import ConfigError
from fastpatent.models import build_model


def settings(size=(225, 225), **keys):
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.NAME = "sketch_a_net"
    cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD = [255.0], [63.75]
    cfg.MODEL.HEADS.NUM_CLASSES = 6
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = list(size)
    for key, value in keys.items():
        cfg.INPUT[key] = value
    return cfg


def test_it_has_the_layers_of_the_paper():
    for size, positions in [((225, 225), (1, 1)), ((248, 249), (1, 2)), ((273, 321), (3, 5))]:
        torch.manual_seed(0)
        network, images = SketchANet(1).eval(), torch.randn(2, 1, *size)
        weights = iter(network.parameters())
        maps = images
        for kernel, channels, stride, padding, pooled in (
            (15, 64, 3, 0, True),
            (5, 128, 1, 0, True),
            (3, 256, 1, 1, False),
            (3, 256, 1, 1, False),
            (3, 256, 1, 1, True),
            (7, 512, 1, 0, False),
            (1, 512, 1, 0, False),
        ):
            weight, bias = next(weights), next(weights)
            assert weight.shape == (channels, maps.shape[1], kernel, kernel), f"{size=}, {positions=}"
            maps = F.conv2d(maps, weight, bias, stride, padding).relu()
            if pooled:
                maps = F.max_pool2d(maps, 3, 2)
        with torch.no_grad():
            found = network(images)
        assert found.shape == (2, network.feature_dim, *positions), f"{size=}, {positions=}"
        torch.testing.assert_close(found, maps.detach(), msg=lambda text: f"{text} ({size=}, {positions=})")


def test_half_of_the_features_of_the_last_two_layers_are_dropped_in_training():
    torch.manual_seed(0)
    network, dropped = SketchANet(1), []
    for layer in network:
        if isinstance(layer, torch.nn.Dropout):
            layer.register_forward_hook(lambda module, given, left: dropped.append((left[given[0] > 0] == 0).float().mean()))
    network(torch.randn(8, 1, 225, 225))
    assert len(dropped) == 2 and all(abs(share - 0.5) < 0.03 for share in dropped)


def test_features_have_a_similar_scale_in_every_layer_at_the_start():
    """Without norms, features that shrink or grow by a constant factor per layer would prevent training."""
    torch.manual_seed(0)
    network, scales = SketchANet(1).eval(), []
    for layer in network:
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda module, given, made: scales.append(made.std().item()))
    with torch.no_grad():
        network(torch.randn(2, 1, 225, 225))
    assert all(0.5 < scale < 10 for scale in scales), scales


@pytest.mark.slow
def test_it_learns_a_batch_of_line_drawings():
    """Line drawings, where most patches of the stem are blank."""
    torch.manual_seed(0)
    images = torch.full((4, 1, 225, 225), 255, dtype=torch.uint8)
    for number in range(4):  # two designs with two drawings each, slightly shifted
        row, shift = 20 + 60 * (number // 2), 3 * (number % 2)
        images[number, 0, row + shift, 20:200] = 0
        images[number, 0, 30 : row + 20, 40 + row // 2 + shift] = 0
    targets = torch.arange(2).repeat_interleave(2)
    model = build_model(settings())
    optimizer = torch.optim.SGD(model.parameters(), 0.002, momentum=0.9, nesterov=True)
    losses = []
    for _ in range(10):
        loss = sum(model(images, targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.5 * sum(losses[:3]), losses


def test_drawings_that_are_too_small_are_refused():
    for key in ["SIZE_TRAIN", "SIZE_TEST"]:
        with pytest.raises(
            ConfigError, match=f"INPUT.{key}: sketch_a_net needs images of at least 225 x 225, not 225 x 224"
        ):
            BACKBONES.get("sketch_a_net")(settings(**{key: [225, 224]}))
