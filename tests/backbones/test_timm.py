"""timm models of several families as backbones, against the model's own forward pass."""

import pytest
import timm
import torch

from fastpatent.backbones.timm import build_timm_backbone
from fastpatent.config import get_cfg
from fastpatent.errors import ConfigError


def config(name, size=64, channels=3, drop_path=0.1):
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.TIMM_NAME, cfg.MODEL.BACKBONE.DROP_PATH_RATIO = name, drop_path
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = [size, size]
    cfg.MODEL.PIXEL_MEAN = [127.5] * channels
    return cfg


# Channels and side of the feature maps of 64 x 64 drawings, and how the model's own output becomes such a map.
FAMILIES = {
    "swinv2_tiny_window8_256": (768, 2, lambda maps: maps.permute(0, 3, 1, 2)),
    "convnext_atto": (320, 2, lambda maps: maps),
    "vit_tiny_patch16_224": (192, 4, lambda tokens: tokens[:, 1:].transpose(1, 2).reshape(2, 192, 4, 4)),
    "test_resnet": (96, 2, lambda maps: maps),
}


@pytest.mark.parametrize(("name", "channels"), [*((name, 3) for name in FAMILIES), ("convnext_atto", 1)])
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


def test_weights_keep_the_names_of_timm():
    backbone = build_timm_backbone(config("convnext_atto"))
    model = timm.create_model("convnext_atto", pretrained=False, num_classes=0)
    assert set(backbone.trunk.state_dict()) == set(model.state_dict())


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(ConfigError, match="TIMM_NAME.*'convnext_ato'.*did you mean convnext_atto"):
        build_timm_backbone(config("convnext_ato"))


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
