"""The ResNet against torchvision, and the positions of its IBN and non-local blocks."""

import pytest
import torch
import torchvision
from torch import nn

from fastpatent.backbones import BACKBONES
from fastpatent.backbones.resnet_ibn import DEPTHS, ResNet, build_resnet_backbone
from fastpatent.config import get_cfg
from fastpatent.errors import ConfigError
from fastpatent.layers.ibn import IBN
from fastpatent.layers.non_local import NonLocal


def config(**settings):
    cfg = get_cfg()
    for key, value in settings.items():
        cfg.MODEL.BACKBONE[key] = value
    return cfg


@pytest.mark.parametrize(("depth", "last_stride"), [("18x", 1), ("18x", 2), ("50x", 1)])
def test_plain_network_equals_torchvision_with_the_stem_and_stride_exchanged(depth, last_stride):
    torch.manual_seed(0)
    oracle = getattr(torchvision.models, f"resnet{depth[:-1]}")(weights=None).eval()
    oracle.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
    for module in oracle.layer4[0].modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.stride = (last_stride, last_stride)
    oracle.avgpool = oracle.fc = nn.Identity()
    network = build_resnet_backbone(config(DEPTH=depth, LAST_STRIDE=last_stride)).eval()
    network.load_state_dict(oracle.state_dict())
    images = torch.randn(2, 3, 75, 64)
    with torch.no_grad():
        features = network(images)
        torch.testing.assert_close(features.flatten(1), oracle(images))
    assert features.shape[1] == network.feature_dim


@pytest.mark.parametrize("depth", DEPTHS)
def test_ibn_and_non_local_stand_where_the_published_weights_have_them(depth):
    with torch.device("meta"):
        network = build_resnet_backbone(config(DEPTH=depth, WITH_IBN=True, WITH_NL=True))
    ibn = {name for name, module in network.named_modules() if isinstance(module, IBN)}
    blocks = {1: 3, 2: 4, 3: {"34x": 6, "50x": 6, "101x": 23}.get(depth)}
    blocks = {1: 2, 2: 2, 3: 2} if depth == "18x" else blocks
    assert ibn == {f"layer{layer}.{block}.bn1" for layer, count in blocks.items() for block in range(count)}
    non_local = [name for name, module in network.named_modules() if isinstance(module, NonLocal)]
    counts = {"50x": (2, 3), "101x": (2, 9)}.get(depth, (0, 0))
    assert non_local == [f"NL_{layer}.{n}" for layer, count in zip((2, 3), counts, strict=True) for n in range(count)]


def test_non_local_blocks_follow_the_last_residual_blocks():
    network = build_resnet_backbone(config(DEPTH="50x", WITH_NL=True)).eval()
    order = []
    for name, module in network.named_modules():
        if isinstance(module, NonLocal) or name.count(".") == 1 and name.startswith("layer"):
            module.register_forward_hook(lambda *_, name=name: order.append(name))
    with torch.no_grad():
        network(torch.randn(1, 3, 32, 32))
    layer2 = ["layer2.0", "layer2.1", "layer2.2", "NL_2.0", "layer2.3", "NL_2.1"]
    layer3 = ["layer3.0", "layer3.1", "layer3.2", "layer3.3", "NL_3.0", "layer3.4", "NL_3.1", "layer3.5", "NL_3.2"]
    assert [name for name in order if name[-3] in "23"] == layer2 + layer3


def test_a_new_network_starts_at_the_scale_of_its_fan_out_with_every_norm_at_one():
    torch.manual_seed(0)
    network = build_resnet_backbone(config(DEPTH="18x", WITH_IBN=True))
    deviation = network.layer2[1].conv1.weight.std().item()
    assert deviation == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    norms = [module for module in network.modules() if isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d))]
    assert len(norms) == 26 and all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)


def test_other_norms_reach_every_layer():
    for norm in ["GN", "LN", "syncBN"]:
        network = build_resnet_backbone(config(DEPTH="18x", WITH_IBN=True, NORM=norm))
        assert not any(type(module) is nn.BatchNorm2d for module in network.modules()), f"{norm=}"


def test_one_channel_and_a_short_drawing():
    cfg = config(DEPTH="18x")
    cfg.MODEL.PIXEL_MEAN = [127.5]
    assert build_resnet_backbone(cfg).eval()(torch.randn(1, 1, 8, 8)).shape == (1, 512, 1, 1)


def test_the_class_takes_plain_arguments():
    block, blocks, _ = DEPTHS["18x"]
    assert ResNet(block, blocks)(torch.randn(2, 3, 64, 48)).shape == (2, 512, 4, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"DEPTH": "51x"}, "MODEL.BACKBONE.DEPTH.*'51x'.*50x"), ({"NORM": "Bn"}, "MODEL.BACKBONE.NORM.*'Bn'.*BN")],
)
def test_wrong_settings_name_their_key(settings, message):
    with pytest.raises(ConfigError, match=message):
        BACKBONES.get("build_resnet_backbone")(config(**settings))
