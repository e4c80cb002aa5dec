"""Which family a checkpoint belongs to, and how its names are translated."""

import importlib
import re

import pytest
import timm
import torch

from fastpatent.models.families import FAMILIES, todays_stages, translate


@pytest.fixture
def keys(reference_keys):
    """Function of a published checkpoint: its names with tensors on the meta device."""
    return lambda name: {key: torch.empty(shape, device="meta") for key, shape, _ in reference_keys(name)}


def state_of(model, **options):
    with torch.device("meta"):
        return timm.create_model(model, **options).state_dict()


def test_published_checkpoints_are_recognised_with_and_without_module(keys):
    for name, family in {
        "dira_r101_ibn_nl": "challenge",
        "patentnet.resnet50_rmac": "PatentNet",
        "patentnet.resnet18_rmac": "PatentNet",
        "higuchi_swinv2": "Higuchi",
    }.items():
        state = {key.removeprefix("module."): value for key, value in keys(name).items()}
        for prefix in ("", "module."):
            assert family in translate({prefix + key: value for key, value in state.items()}).family, name


def test_two_networks_in_one_module_keep_their_names():
    state = {f"{network}.{name}": torch.zeros(1) for network in ("model", "net") for name in ("conv1.weight", "bn1.weight")}
    assert list(translate({**state, "module.fc.weight": torch.zeros(1)}).state) == [*state, "fc.weight"]


def test_bare_backbones_are_recognised_and_keep_their_names():
    for name in ("resnet50", "efficientnet_b0", "convnext_atto", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"):
        state = state_of(name)
        family, found, dropped = translate(state)
        assert "bare backbone" in family and list(found) == list(state) and not dropped, name


def test_names_of_no_image_network_are_of_no_family():
    state = {"transformer.wte.weight": torch.zeros(2), "transformer.ln_f.weight": torch.zeros(2)}
    assert translate(state).family is None and translate(state).state == state


def test_every_translation_is_final(keys):
    """A converted file has the same names if it is translated again."""
    states = [keys(name) for name in ("dira_r101_ibn_nl", "patentnet.resnet50_rmac", "higuchi_swinv2")]
    for state in (*states, state_of("swin_tiny_patch4_window7_224")):
        once = translate(state).state
        assert list(translate(once).state) == list(once)


def test_older_names_of_the_challenge_become_todays():
    older = {"heads.bnneck.weight": 0, "heads.classifier.weight": 1, "backbone.conv1.weight": 2}
    assert translate({name: torch.tensor(value) for name, value in older.items()}).state == {
        "heads.bottleneck.0.weight": 0, "heads.weight": 1, "backbone.conv1.weight": 2
    }  # fmt: skip


def test_patentnets_names_are_those_of_a_timm_network_with_its_head(keys):
    found = translate(keys("patentnet.resnet50_rmac")).state
    trunk = state_of("resnet50", num_classes=0)
    assert set(found) == {*(f"backbone.trunk.{name}" for name in trunk), "heads.fc.weight", "heads.fc.bias"}


def test_an_imagenet_classifier_is_not_patentnets(keys):
    state = keys("patentnet.resnet50_rmac")
    state["fc.weight"], state["fc.bias"] = torch.zeros(1000, 2048), torch.zeros(1000)
    assert "bare backbone" in translate(state).family


def test_higuchis_names_are_those_of_todays_timm(keys):
    family, found, dropped = translate(keys("higuchi_swinv2"))
    trunk = state_of("swinv2_base_window12to24_192to384", in_chans=1, num_classes=0)
    heads = {name: value for name, value in found.items() if name.startswith("heads.")}
    assert set(found) == {*(f"backbone.trunk.{name}" for name in trunk), *heads}
    assert all(found[f"backbone.trunk.{name}"].shape == value.shape for name, value in trunk.items())
    assert {name.split(".")[2] for name in heads} == {"1", "3", "4", "5"}
    assert dropped and all(name.endswith("attn_mask") for name in dropped)


def test_open_clips_text_tower_without_a_prefix_gets_one():
    older = ["visual.conv1.weight", "token_embedding.weight", "transformer.resblocks.0.ln_1.bias", "ln_final.bias"]
    older += ["positional_embedding", "text_projection", "logit_scale", "logit_bias"]
    family, found, _ = translate({name: torch.zeros(1) for name in older})
    assert family == "open_clip"
    assert list(found) == ["visual.conv1.weight", *(f"text.{name}" for name in older[1:6]), "logit_scale", "logit_bias"]


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"])
def test_stages_of_older_swin_files_become_todays(name):
    """timm's own filter is the oracle; older names are today's with every merging of patches one stage earlier."""
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=0)
    today = {key: torch.full((), number, device="cpu") for number, key in enumerate(model.state_dict())}
    older = {
        re.sub(r"layers\.(\d)\.down", lambda found: f"layers.{int(found[1]) - 1}.down", key): v for key, v in today.items()
    }
    assert set(older) != set(today)
    expected = importlib.import_module(type(model).__module__).checkpoint_filter_fn(
        {key: v for key, v in older.items() if "table" not in key and "patch_embed" not in key}, model
    )
    assert {key: int(value) for key, value in expected.items()} == {key: int(today[key]) for key in expected}
    for prefix in ("", "backbone.trunk."):
        found = todays_stages({prefix + key: value for key, value in older.items()})
        assert found == {prefix + key: value for key, value in today.items()}
        assert todays_stages(found) == found


def test_buffers_that_follow_from_sizes_are_dropped():
    for buffer in ("relative_position_index", "relative_coords_table", "attn_mask", "position_ids"):
        state = {"patch_embed.proj.weight": torch.zeros(1), f"layers.0.blocks.1.attn.{buffer}": torch.zeros(4, 4)}
        assert list(translate(state).state) == ["patch_embed.proj.weight"]
        assert translate(state).dropped == [f"layers.0.blocks.1.attn.{buffer}"]


def test_settings_and_the_memory_of_a_run_are_dropped():
    state = dict.fromkeys(["pixel_mean", "backbone.conv1.weight", "memory.labels", "pixel_std"], torch.zeros(1))
    _, found, dropped = translate(state)
    assert list(found) == ["backbone.conv1.weight"] and dropped == ["pixel_mean", "memory.labels", "pixel_std"]


def test_families_have_different_names():
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
