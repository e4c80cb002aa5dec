"""Weights for one image size in a network for another, against timm with the same state."""

import importlib
import math

import pytest
import timm
import torch
import torch.nn.functional as F

from fastpatent.backbones.timm import TimmBackbone, create_for_size
from fastpatent.models import Network, build_model
from fastpatent.models.weights import load_weights

pytestmark = pytest.mark.slow

# Fewer layers in large families, with every kind of layer.
FAMILIES = {
    "vit_tiny_patch16_224": {"depth": 2},
    "vit_small_patch14_dinov2": {"depth": 2},
    "vit_small_patch14_reg4_dinov2": {"depth": 2},
    "vit_small_patch16_dinov3": {"depth": 2},
    "eva02_tiny_patch14_224": {"depth": 2},
    "swin_tiny_patch4_window7_224": {"depths": (2, 1, 1, 1)},
    "swinv2_tiny_window8_256": {"depths": (2, 1, 1, 1)},
    "convnext_atto": {},
    "efficientnet_b0": {},
}
INTERPOLATED = {
    "vit_tiny_patch16_224": "4 x 4 to 6 x 6",
    "vit_small_patch14_dinov2": "5 x 5 to 7 x 7",
    "vit_small_patch14_reg4_dinov2": "5 x 5 to 7 x 7",
    "eva02_tiny_patch14_224": "5 x 5 to 7 x 7",
    "swin_tiny_patch4_window7_224": "2 x 2 to 3 x 3",
}


class OnlyBackbone(Network):
    """A network of a timm backbone."""

    def __init__(self, name, size, channels=3):
        super().__init__()
        model = create_for_size(name, size, in_chans=channels, **FAMILIES.get(name, {}))
        self.backbone = TimmBackbone(model, size, channels)

    @property
    def backbones(self):
        return {"backbone": self.backbone}


def noisy(network):
    """Change every parameter, those that are initialised with zeros, too."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network.eval()


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_of_another_size_give_timms_features_at_the_new_size(name):
    torch.manual_seed(0)
    first, second = noisy(OnlyBackbone(name, (64, 64))), OnlyBackbone(name, (96, 96)).eval()
    report = load_weights(second, {key: value.clone() for key, value in first.state_dict().items()})
    assert not report.missing and not report.unexpected
    words = {row.outcome for row in report.reshaped}
    assert words == ({f"interpolated from {INTERPOLATED[name]}"} if name in INTERPOLATED else set())
    assert all(word in report.table() for word in words)
    images, trunk, wanted = torch.randn(1, 3, 96, 96), first.backbone.trunk, second.backbone.trunk
    if "swin" in name:
        trunk.set_input_size(img_size=(96, 96), window_size=[stage.blocks[0].window_size for stage in wanted.layers])
    elif hasattr(trunk, "set_input_size"):
        trunk.set_input_size(img_size=wanted.patch_embed.img_size)
    with torch.no_grad():
        expected, found = first.backbone(images), second.backbone(images)
    assert (found - expected).norm() < 1e-5 * (expected - expected.mean((2, 3), keepdim=True)).norm()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vit_tiny_patch16_224", {"depth": 1}),
        ("vit_small_patch14_dinov2", {"depth": 1}),
        ("eva02_tiny_patch14_224", {"depth": 1}),
        ("deit3_small_patch16_224", {"depth": 1}),
        ("beit_base_patch16_224", {"depth": 2, "embed_dim": 48, "num_heads": 3}),
        ("swin_tiny_patch4_window7_224", {"depths": (1, 1, 1, 1), "window_size": 8}),
    ],
)
def test_a_published_file_gives_the_weights_that_timm_loads(name, options):
    torch.manual_seed(0)
    published = noisy(timm.create_model(name, num_classes=0, img_size=256, **options)).state_dict()
    larger = options | ({"window_size": 12} if "window_size" in options else {})
    model, oracle = (
        timm.create_model(name, num_classes=0, img_size=392 if "14" in name else 384, **larger) for _ in range(2)
    )
    convert = importlib.import_module(type(oracle).__module__).checkpoint_filter_fn
    oracle.load_state_dict(convert({key: value.clone() for key, value in published.items()}, oracle), strict=False)
    assert load_weights(model, published).reshaped
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, oracle.state_dict()[key], msg=key)


def test_tables_of_images_that_are_not_square():
    torch.manual_seed(0)
    first, second = noisy(OnlyBackbone("vit_tiny_patch16_224", (128, 64))), OnlyBackbone("vit_tiny_patch16_224", (192, 96))
    (row,) = load_weights(second, first.state_dict()).reshaped
    assert row.outcome == "interpolated from 8 x 4 to 12 x 6"
    table = first.backbone.trunk.pos_embed.detach()
    grid = table[:, 1:].transpose(1, 2).reshape(1, -1, 8, 4)
    grid = F.interpolate(grid, size=(12, 6), mode="bicubic", antialias=True)
    expected = torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
    torch.testing.assert_close(second.backbone.trunk.pos_embed.detach(), expected)


def test_windows_that_are_not_square():
    torch.manual_seed(0)
    name = "swin_tiny_patch4_window7_224"
    first, second = noisy(OnlyBackbone(name, (128, 64))), OnlyBackbone(name, (192, 96))
    report = load_weights(second, first.state_dict())
    assert {row.outcome for row in report.reshaped} == {"interpolated from 4 x 2 to 6 x 3"}
    first.backbone.trunk.set_input_size(img_size=(192, 96))
    assert all(torch.allclose(value, first.state_dict()[key], atol=1e-6) for key, value in second.state_dict().items())


def test_a_first_layer_of_other_channels_gives_the_same_for_grey_images():
    torch.manual_seed(0)
    for name in ("convnext_atto", "vit_tiny_patch16_224"):
        for before, after in ((3, 1), (1, 3)):
            first, second = noisy(OnlyBackbone(name, (64, 64), before)), OnlyBackbone(name, (64, 64), after).eval()
            (row,) = load_weights(second, first.state_dict()).reshaped
            assert row.outcome == f"{before} channels made {after}"
            grey = torch.randn(1, 1, 64, 64)
            with torch.no_grad():
                expected = first.backbone(grey.expand(-1, before, -1, -1))
                found = second.backbone(grey.expand(-1, after, -1, -1))
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4, msg=f"{name}, {before} to {after}")


def test_a_scale_with_four_dimensions_is_no_first_layer():
    model = OnlyBackbone("convnext_atto", (32, 32))
    state = {**model.state_dict(), "backbone.trunk.stem.1.bias": torch.zeros(1, 3, 2, 2)}
    [row] = load_weights(model, state).reshaped
    assert row.name == "backbone.trunk.stem.1.bias" and row.outcome.startswith("skipped")


def test_tables_of_no_rectangle_are_skipped_and_reported():
    model = OnlyBackbone("vit_tiny_patch16_224", (64, 64))
    state, before = model.state_dict(), model.backbone.trunk.pos_embed.detach().clone()
    state["backbone.trunk.pos_embed"] = torch.randn(1, 1 + math.prod((3, 5)), 192)
    (row,) = load_weights(model, state).reshaped
    assert "keeps its value" in row.outcome and torch.equal(model.backbone.trunk.pos_embed, before)
    model = OnlyBackbone("swin_tiny_patch4_window7_224", (64, 64))
    name = "backbone.trunk.layers.0.blocks.0.attn.relative_position_bias_table"
    state = model.state_dict()
    state[name] = torch.randn(len(state[name]) + 2, state[name].shape[1])
    (row,) = load_weights(model, state).reshaped
    assert "keeps its value" in row.outcome


def test_a_single_number_may_have_any_shape(challenge_config):
    model = build_model(challenge_config())
    state = {**model.state_dict(), "heads.pool_layer.p": torch.tensor(2.5)}
    (row,) = load_weights(model, state).reshaped
    assert row.outcome == "the same number" and model.heads.pool_layer.p.tolist() == [2.5]
