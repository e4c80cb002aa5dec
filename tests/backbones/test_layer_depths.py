"""Layer depths: of timm models against the layer decay of timm, of the ResNet against its execution order."""

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from fastpatent.backbones import layer_depths
from fastpatent.backbones.resnet_ibn import DEPTHS, ResNet
from fastpatent.backbones.timm import TimmBackbone

pytestmark = pytest.mark.slow

FAMILIES = [
    "efficientnet_b0",
    "convnext_atto",
    "vit_tiny_patch16_224",
    "vit_small_patch14_dinov2",
    "vit_small_patch16_dinov3",
    "swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256",
    "resnet18",
]


@pytest.mark.parametrize("name", FAMILIES)
def test_steps_to_the_head_are_those_of_timm(name):
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=10)
        backbone = TimmBackbone(timm.create_model(name, num_classes=0), model.pretrained_cfg["input_size"][1:])
    names = {id(parameter): f"trunk.{key}" for key, parameter in model.named_parameters()}
    groups = param_groups_layer_decay(model, layer_decay=0.5)
    scales = {names[id(parameter)]: group["lr_scale"] for group in groups for parameter in group["params"]}
    depths = {key: depth for key, depth in layer_depths(backbone).items() if backbone.get_parameter(key).requires_grad}
    last = max(depths.values())
    assert min(depths.values()) == 0 and len(set(depths.values())) == last + 1
    assert {key: 0.5 ** (last + 1 - depth) for key, depth in depths.items()} == {key: scales[key] for key in depths}


@pytest.mark.parametrize("depth", ["18x", "50x"])
def test_a_resnet_counts_its_blocks_in_the_order_they_run(depth):
    block, blocks, non_local = DEPTHS[depth]
    network = ResNet(block, blocks, non_local)
    order = []
    for name, module in network.named_modules():
        if name.count(".") == 1 and name.startswith(("layer", "NL_")):
            module.register_forward_hook(lambda module, inputs, output, name=name: order.append(name))
    network(torch.zeros(1, 3, 32, 32))
    depths = layer_depths(network)
    assert depths.keys() == dict(network.named_parameters()).keys()
    assert {depths[name] for name in ("conv1.weight", "bn1.weight", "bn1.bias")} == {0}
    expected, count = {}, 0
    for name in order:
        count += name.startswith("layer")
        expected[name] = count
    assert count == sum(blocks) and len(order) == sum(blocks) + sum(non_local)
    for name, depth in depths.items():
        if not name.startswith(("conv1.", "bn1.")):
            assert depth == expected[".".join(name.split(".")[:2])], name


def test_each_child_of_another_module_with_parameters_is_a_layer():
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)), nn.Conv2d(2, 2, 1)
    )
    assert layer_depths(network) == {
        "0.weight": 0, "0.bias": 0,
        "2.0.weight": 1, "2.0.bias": 1, "2.1.weight": 1, "2.1.bias": 1,
        "3.weight": 2, "3.bias": 2,
    }  # fmt: skip
