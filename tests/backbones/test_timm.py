"""timm models of several families as backbones, against the forward pass of the model."""

import re

import numpy as np
import pytest
import timm
import torch

from fastpatent.backbones.timm import build_timm_backbone, create_for_size
from fastpatent.config import get_cfg
from fastpatent.errors import ConfigError

pytestmark = pytest.mark.slow


def config(name, size=64, channels=3, drop_path=0.1):
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.TIMM_NAME, cfg.MODEL.BACKBONE.DROP_PATH_RATIO = name, drop_path
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = [size, size]
    cfg.MODEL.PIXEL_MEAN = [127.5] * channels
    return cfg


# Channels and side of the feature maps of 64 x 64 images, and the conversion of the model's output to such a map.
FAMILIES = {
    "swinv2_tiny_window8_256": (768, 2, lambda maps: maps.permute(0, 3, 1, 2)),
    "convnext_atto": (320, 2, lambda maps: maps),
    "vit_tiny_patch16_224": (192, 4, lambda tokens: tokens[:, 1:].transpose(1, 2).reshape(2, 192, 4, 4)),
    "test_resnet": (96, 2, lambda maps: maps),
}


@pytest.mark.parametrize("name, channels", [*((name, 3) for name in FAMILIES), ("convnext_atto", 1)])
def test_feature_maps_are_those_of_the_model(name, channels):
    torch.manual_seed(0)
    dim, side, as_map = FAMILIES[name]
    backbone = build_timm_backbone(config(name, channels=channels)).eval()
    images = torch.randn(2, channels, 64, 64)
    with torch.no_grad():
        features = backbone(images)
        expected = as_map(backbone.trunk.forward_features(images))
    assert features.shape == (2, dim, side, side) and backbone.feature_dim == dim
    torch.testing.assert_close(features, expected)


def test_swinv2_at_its_own_size_pools_to_timms_own_feature():
    torch.manual_seed(0)
    backbone = build_timm_backbone(config("swinv2_tiny_window8_256", 256)).eval()
    images = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        pooled = backbone(images).mean((2, 3))
        torch.testing.assert_close(pooled, backbone.trunk(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["test_vit", "test_convnext", "test_resnet", "mobilenetv3_small_050"])
def test_every_parameter_that_takes_a_gradient_receives_one(name):
    backbone = build_timm_backbone(config(name, drop_path=0.0))
    backbone(torch.randn(2, 3, 64, 64)).square().sum().backward()
    for key, parameter in backbone.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, key


def test_drop_path_is_passed_where_the_family_has_it():
    backbone = build_timm_backbone(config("test_convnext", drop_path=0.3))
    assert max(module.drop_prob for module in backbone.modules() if hasattr(module, "drop_prob")) == pytest.approx(0.3)
    without = build_timm_backbone(config("dla46_c", drop_path=0.3))
    assert not any(hasattr(module, "drop_prob") for module in without.modules())


def test_weights_have_the_names_of_timm():
    backbone = build_timm_backbone(config("convnext_atto"))
    model = timm.create_model("convnext_atto", pretrained=False, num_classes=0)
    assert set(backbone.trunk.state_dict()) == set(model.state_dict())


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(ConfigError, match="TIMM_NAME.*'convnext_ato'.*did you mean convnext_atto"):
        build_timm_backbone(config("convnext_ato"))


def test_an_unknown_tag_names_those_of_the_model():
    for tag, hint in (("a1_in1", "did you mean a1_in1k"), ("nosuch_tag", "choose from a1_in1k, a2_in1k, .*tv_in1k")):
        with pytest.raises(ConfigError, match=f"TIMM_NAME: timm has no tag '{tag}' of resnet18; {hint}"):
            build_timm_backbone(config(f"resnet18.{tag}"))
    assert build_timm_backbone(config("resnet18.a1_in1k")).feature_dim == 512


def test_an_empty_name_does_not_list_a_thousand_models():
    with pytest.raises(ConfigError) as caught:
        build_timm_backbone(config(""))
    assert len(str(caught.value)) < 200


def test_a_model_of_one_size_refuses_another_in_testing():
    cfg = config("vit_tiny_patch16_224")
    cfg.INPUT.SIZE_TEST = [96, 96]
    with pytest.raises(ConfigError, match="INPUT.SIZE_TEST.*vit_tiny_patch16_224.*64, 64"):
        build_timm_backbone(cfg)


@pytest.mark.parametrize("name", ["test_maxvit", "nest_tiny"])
def test_a_size_that_the_model_cannot_take_names_the_key(name):
    with pytest.raises(ConfigError, match=r"INPUT.SIZE_TRAIN.* 50 x 50"):
        build_timm_backbone(config(name, 50))


def test_a_model_that_takes_no_size_is_built_and_one_without_a_map_is_refused():
    build_timm_backbone(config("poolformer_s12", 64))
    with pytest.raises(ConfigError, match="TIMM_NAME: coat_tiny cannot be a backbone here"):
        build_timm_backbone(config("coat_tiny", 64))


# A small model of each family: channels, stride of the feature map.
SMALL = {
    "efficientnet_b0": (1280, 32),
    "convnext_atto": (320, 32),
    "vit_tiny_patch16_224": (192, 16),
    "vit_small_patch14_dinov2": (384, 14),
    "vit_small_patch16_dinov3": (384, 16),
    "swin_tiny_patch4_window7_224": (768, 32),
    "swinv2_tiny_window8_256": (768, 32),
}
LARGE = {
    "efficientnet_b1": (1280, 32),
    "efficientnet_b4": (1792, 32),
    "efficientnet_b7": (2560, 32),
    "convnextv2_base": (1024, 32),
    "swin_base_patch4_window12_384": (1024, 32),
    "swinv2_base_window12to24_192to384": (1024, 32),
}


@pytest.mark.parametrize("name", SMALL)
def test_every_family_trains_a_step(name):
    torch.manual_seed(0)
    backbone = build_timm_backbone(config(name, 128, drop_path=0.2))
    dim, stride = SMALL[name]
    images, wanted = torch.randn(1, 3, 128, 128), torch.randn(1, dim, -(-128 // stride), -(-128 // stride))
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], 1e-3)
    losses = []
    for _ in range(2):
        torch.manual_seed(1)  # the same paths are dropped
        features = backbone(images)
        assert features.shape == wanted.shape and backbone.feature_dim == dim
        losses.append((features - wanted).square().mean())
        if len(losses) == 1:
            losses[0].backward()
            optimizer.step()
    assert losses[1] < losses[0]


@pytest.mark.parametrize("name", SMALL | LARGE)
def test_every_member_is_built_for_its_size(name):
    dim, stride = (SMALL | LARGE)[name]
    with torch.device("meta"):
        backbone = build_timm_backbone(config(name, 256, channels=1))
        for size in (256, 384):
            if size == 384 and backbone.trunk.pretrained_cfg["fixed_input_size"]:
                backbone = build_timm_backbone(config(name, size, channels=1))
            features = backbone(torch.zeros(2, 1, size, size))
            assert features.shape == (2, dim, -(-size // stride), -(-size // stride)) and backbone.feature_dim == dim


@pytest.mark.parametrize("name", [*SMALL, "swinv2_base_window12to24_192to384"])
def test_the_rates_of_drop_path_are_those_of_timm(name):
    with torch.device("meta"):
        backbone = build_timm_backbone(config(name, 256, drop_path=0.4))
        model = timm.create_model(name, drop_path_rate=0.4)
    found, expected = (
        [module.drop_prob for module in network.modules() if isinstance(module, timm.layers.DropPath)]
        for network in (backbone.trunk, model)
    )
    assert found == expected and 0.3 < max(found) < 0.4001


def test_patches_that_do_not_divide_a_drawing_cut_nothing_off():
    torch.manual_seed(0)
    backbone = build_timm_backbone(config("vit_small_patch14_dinov2", 64)).eval()
    images = torch.randn(1, 3, 64, 64)
    grown = torch.from_numpy(np.pad(images.numpy(), ((0, 0), (0, 0), (0, 6), (0, 6)), mode="edge"))
    inked = images.clone()
    inked[..., 63, 63] += 1
    with torch.no_grad():
        features = backbone(images)
        expected = backbone.trunk.forward_features(grown)[:, 1:].transpose(1, 2).reshape(1, 384, 5, 5)
        assert not torch.equal(backbone(inked), features)
    torch.testing.assert_close(features, expected)


# The windows of the four stages: as published if they divide the maps, otherwise scaled with the first map.
WINDOWS = {
    ("swin_tiny_patch4_window7_224", 224): (7, 7, 7, 7),
    ("swin_tiny_patch4_window7_224", 256): (8, 8, 8, 8),
    ("swin_tiny_patch4_window7_224", 448): (7, 7, 7, 7),
    ("swinv2_tiny_window8_256", 384): (12, 12, 12, 12),
    ("swinv2_tiny_window8_256", 512): (8, 8, 8, 8),
    ("swinv2_base_window12to24_192to384", 256): (16, 16, 16, 8),
    ("swinv2_base_window12to24_192to384", 384): (24, 24, 24, 12),
    ("swinv2_base_window12to24_192to384", 768): (24, 24, 24, 24),
    ("swin_base_patch4_window12_384", 768): (12, 12, 12, 12),
}


def test_windows_divide_the_feature_maps():
    for name, size in WINDOWS:
        with torch.device("meta"):
            model = create_for_size(name, (size, size))
        assert [block.window_size for block in (stage.blocks[0] for stage in model.layers)] == [
            (window, window) for window in WINDOWS[name, size]
        ], f"{name=}, {size=}"
        for number, stage in enumerate(model.layers):
            assert all(size // 4 // 2**number % length == 0 for block in stage.blocks for length in block.window_size), (
                f"{name=}, {size=}"
            )


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "swinv2_base_window12to24_192to384"])
def test_a_size_that_no_window_divides_names_sizes_that_fit(name):
    with torch.device("meta"):
        with pytest.raises(
            ConfigError, match=f"INPUT.SIZE_TRAIN: {name} does not accept images of 300 x 250: .*windows"
        ) as caught:
            cfg = config(name)
            cfg.INPUT.SIZE_TRAIN = [300, 250]
            build_timm_backbone(cfg)
        fitting = re.findall(r"(\d+) x (\d+)", str(caught.value))[1:]
        assert fitting == [("288", "224"), ("320", "256")]
        for size in fitting:
            assert create_for_size(name, tuple(map(int, size)))
