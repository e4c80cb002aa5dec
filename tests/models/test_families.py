"""Whose names a checkpoint carries, and what becomes of them."""

import importlib
import json
import re

import pytest
import timm
import torch

from fastpatent.models.families import FAMILIES, todays_stages, translate


def keys(shared, name):
    rows = json.loads((shared / "reference" / f"{name}.keys.json").read_text())
    return {name: torch.empty(shape, device="meta") for name, shape, _ in rows}


def state_of(model):
    with torch.device("meta"):
        return timm.create_model(model).state_dict()


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("dira_r101_ibn_nl", "challenge"),
        ("patentnet.resnet50_rmac", "PatentNet"),
        ("patentnet.resnet18_rmac", "PatentNet"),
        ("higuchi_swinv2", "Higuchi"),
    ],
)
def test_published_checkpoints_are_recognised(shared, name, family, prefix):
    state = {prefix + name.removeprefix("module."): value for name, value in keys(shared, name).items()}
    assert family in translate(state).family


@pytest.mark.parametrize(
    "name", ["resnet50", "efficientnet_b0", "convnext_atto", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"]
)
def test_bare_backbones_are_recognised_and_keep_their_names(name):
    state = state_of(name)
    family, found, dropped = translate(state)
    assert "bare backbone" in family and list(found) == list(state) and not dropped


def test_names_of_no_network_for_images_are_of_no_family():
    state = {"transformer.wte.weight": torch.zeros(2), "transformer.ln_f.weight": torch.zeros(2)}
    assert translate(state).family is None and translate(state).state == state


def test_every_translation_is_final(shared):
    """A converted file, read again, is as it is."""
    states = [keys(shared, name) for name in ("dira_r101_ibn_nl", "patentnet.resnet50_rmac", "higuchi_swinv2")]
    for state in (*states, state_of("swin_tiny_patch4_window7_224")):
        once = translate(state).state
        assert list(translate(once).state) == list(once)


def test_patentnets_names_are_those_of_a_timm_network_with_its_head(shared):
    found = translate(keys(shared, "patentnet.resnet50_rmac")).state
    with torch.device("meta"):
        trunk = timm.create_model("resnet50", num_classes=0).state_dict()
    assert set(found) == {*(f"backbone.trunk.{name}" for name in trunk), "heads.fc.weight", "heads.fc.bias"}


def test_a_classifier_of_imagenet_is_not_patentnets(shared):
    state = keys(shared, "patentnet.resnet50_rmac")
    state["fc.weight"], state["fc.bias"] = torch.zeros(1000, 2048), torch.zeros(1000)
    assert "bare backbone" in translate(state).family


def test_higuchis_names_are_those_of_todays_timm(shared):
    family, found, dropped = translate(keys(shared, "higuchi_swinv2"))
    with torch.device("meta"):
        trunk = timm.create_model("swinv2_base_window12to24_192to384", in_chans=1, num_classes=0).state_dict()
    heads = {name: value for name, value in found.items() if name.startswith("heads.")}
    assert set(found) == {*(f"backbone.trunk.{name}" for name in trunk), *heads}
    assert all(found[f"backbone.trunk.{name}"].shape == value.shape for name, value in trunk.items())
    assert {name.split(".")[2] for name in heads} == {"1", "3", "4", "5"}
    assert dropped and all(name.endswith("attn_mask") for name in dropped)


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"])
@pytest.mark.parametrize("prefix", ["", "backbone.trunk."])
def test_stages_of_older_swin_files_become_todays(name, prefix):
    """timm's own filter is the oracle; the older names are today's with every merging of patches one stage earlier."""
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
    found = todays_stages({prefix + key: value for key, value in older.items()})
    assert found == {prefix + key: value for key, value in today.items()}
    assert {key: int(value) for key, value in expected.items()} == {key: int(today[key]) for key in expected}
    assert todays_stages(found) == found


@pytest.mark.parametrize("buffer", ["relative_position_index", "relative_coords_table", "attn_mask"])
def test_what_follows_from_sizes_is_never_loaded(buffer):
    state = {"patch_embed.proj.weight": torch.zeros(1), f"layers.0.blocks.1.attn.{buffer}": torch.zeros(4, 4)}
    assert list(translate(state).state) == ["patch_embed.proj.weight"]
    assert translate(state).dropped == [f"layers.0.blocks.1.attn.{buffer}"]


def test_every_family_has_a_name_that_follows_a_checkpoint_of():
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
