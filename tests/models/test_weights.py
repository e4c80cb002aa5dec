"""Checkpoints by name: older names and widths, other networks, and files that are no checkpoints."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fastpatent.errors import CheckpointError
from fastpatent.layers.non_local import NonLocal
from fastpatent.models import Network, build_model
from fastpatent.models.weights import load_weights

OLDER = {"heads.bottleneck.0.": "heads.bnneck.", "heads.weight": "heads.classifier.weight"}


def older(name):
    for today, before in OLDER.items():
        if name.startswith(today):
            return before + name.removeprefix(today)
    return name


def noisy(model, seed):
    """A state dict of the model's names with other values."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value.clone()
        for name, value in model.state_dict().items()
    }


@pytest.fixture(scope="module")
def small(challenge_config):
    """A ResNet-18 with 5 classes, shared by the tests of this file."""
    return build_model(challenge_config(classes=5))


def test_the_challenge_checkpoint_loads_completely_under_all_its_names(r101, challenge_state):
    extras = {"pixel_mean": torch.zeros(1, 3, 1, 1), "pixel_std": torch.ones(1, 3, 1, 1)}
    for rename in (str, older, lambda name: f"module.{name}", lambda name: f"module.{older(name)}"):
        torch.nn.init.zeros_(r101.heads.weight)
        report = load_weights(r101, {rename(name): value for name, value in {**challenge_state, **extras}.items()})
        assert not (report.missing or report.unexpected or report.reshaped)
        assert len(report.table().splitlines()) == 1
        assert all(torch.equal(value, challenge_state[name]) for name, value in r101.state_dict().items())


def test_files_of_every_kind(small, tmp_path):
    # The rest of a checkpoint: an optimizer, a schedule, a best metric that is a NumPy number.
    rest = {"optimizer": {"state": {}}, "epoch": 3, "metric": np.float64(0.5)}
    state = noisy(small, 1)
    save_file(state, tmp_path / "weights.safetensors")
    torch.save(state, tmp_path / "weights.pt")
    torch.save({"model": state, **rest}, tmp_path / "weights.pth")
    torch.save({"state_dict": state, **rest}, tmp_path / "weights.pth.tar")
    for path in sorted(tmp_path.iterdir()):
        small.load_state_dict(noisy(small, 9))
        report = load_weights(small, path)
        assert len(report.matched) == len(state) and not report.missing, path
        assert all(torch.equal(value, state[name]) for name, value in small.state_dict().items()), path


@pytest.mark.parametrize(
    "rename",
    [
        "_orig_mod.{}", "module._orig_mod.{}", "_orig_mod.module.{}", "module.module.{}", "model.{}", "net.{}",
        "module.model.net.{}", "model._orig_mod.{}",
    ],
)  # fmt: skip
def test_names_of_every_wrapper_load_like_the_plain_ones(small, rename):
    state = noisy(small, 1)
    # A compiled part, as of MODEL.COMPILE elsewhere, and what stands beside the network in a training module.
    renamed = {rename.format(name.replace("backbone.", "backbone._orig_mod.")): value for name, value in state.items()}
    report = load_weights(small, {**renamed, "criterion.centers": torch.zeros(3)})
    assert not report.missing and report.unexpected == ["criterion.centers"]
    assert all(torch.equal(value, state[name]) for name, value in small.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_every_precision_loads_into_single(small, dtype):
    state = {name: value.to(dtype) if value.is_floating_point() else value for name, value in noisy(small, 2).items()}
    load_weights(small, state)
    for name, value in small.state_dict().items():
        assert value.dtype == (torch.float32 if state[name].is_floating_point() else torch.int64)
        assert torch.equal(value, state[name].to(value.dtype)), name


def test_the_state_dict_that_was_taken_is_in_the_table(small, tmp_path):
    torch.save({"model": noisy(small, 3), "model_ema": noisy(small, 4)}, tmp_path / "x.pth")
    report = load_weights(small, tmp_path / "x.pth")
    assert report.notable and f"{tmp_path / 'x.pth'} (model_ema taken, model skipped): " in report.table()
    assert not load_weights(small, noisy(small, 3)).notable


def test_weights_that_make_no_numbers_are_refused_where_they_are_used(small):
    before = {name: value.clone() for name, value in small.state_dict().items()}
    for name, value in (("backbone.conv1.weight", np.nan), ("heads.bottleneck.0.bias", np.inf)):
        state = noisy(small, 5)
        state[name].view(-1)[0] = value
        with pytest.raises(CheckpointError, match=f"state dict: {name} has NaN or infinite values"):
            load_weights(small, state)
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    unused = {**noisy(small, 5), "heads.weight": torch.full((9, 512), np.nan), "old.weight": torch.full((1,), np.nan)}
    assert load_weights(small, unused).unexpected == ["old.weight"]


def test_the_width_of_non_local_blocks_comes_from_the_file(challenge_config):
    with torch.device("meta"):
        wide = build_model(challenge_config("50x"))
        for module in list(wide.modules()):
            if isinstance(module, NonLocal):
                module.set_width(module.channels // 2)
    state = noisy(wide.to_empty(device="cpu"), 2)
    model = build_model(challenge_config("50x"))
    report = load_weights(model, state)
    assert not (report.missing or report.unexpected)
    assert {row.outcome for row in report.reshaped} == {"width taken from the file"}
    assert [m.width for m in model.modules() if isinstance(m, NonLocal)] == [256, 256, 512, 512, 512]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_class_weights_of_another_number_of_classes_are_skipped_and_reported(small):
    state, before = noisy(small, 3), small.heads.weight.detach().clone()
    state["heads.weight"] = torch.rand(9, 512)
    report = load_weights(small, state)
    assert torch.equal(small.heads.weight, before)
    ((name, in_file, in_network, _),) = report.reshaped
    assert (name, in_file, in_network) == ("heads.weight", (9, 512), (5, 512))
    assert "heads.weight" in report.table() and "[9, 512]" in report.table()
    assert report.classifier == "heads.weight" and not report.without_classifier().reshaped


def test_missing_and_unexpected_names_are_reported_in_one_table(small):
    state = noisy(small, 4)
    del state["heads.bottleneck.0.weight"], state["backbone.bn1.num_batches_tracked"]
    state["heads.extra"] = torch.zeros(2)
    report = load_weights(small, state)
    assert (report.missing, report.unexpected) == (["heads.bottleneck.0.weight"], ["heads.extra"])
    assert "heads.bottleneck.0.weight" in report.table() and "heads.extra" in report.table()
    assert len(report.table(rows=1).splitlines()) == 5 and "and 1 more" in report.table(rows=1)


def test_a_checkpoint_of_another_depth_is_refused(challenge_config):
    with torch.device("meta"):
        models = {depth: build_model(challenge_config(depth)) for depth in ("18x", "34x", "50x", "101x")}
    for saved, built in (("18x", "34x"), ("34x", "18x"), ("50x", "101x"), ("101x", "50x"), ("18x", "50x")):
        with pytest.raises(CheckpointError, match="another network.*first missing: .*first without a place: "):
            load_weights(models[built], models[saved].state_dict())


def test_the_family_of_a_refused_checkpoint_is_named(small):
    resnet = {"conv1.weight": torch.zeros(64, 3, 7, 7), "layer1.0.conv1.weight": torch.zeros(9)}
    for state, origin in (
        ({"backbone.patch_embed.proj.weight": torch.zeros(4, 1, 2, 2), "head.1.running_mean": torch.zeros(4)}, "Higuchi"),
        ({**resnet, "fc.weight": torch.zeros(5, 5)}, "PatentNet"),
        ({"patch_embed.proj.weight": torch.zeros(4, 3, 2, 2), "blocks.0.norm1.weight": torch.zeros(4)}, "bare backbone"),
        ({"backbone.stem.weight": torch.zeros(4)}, "fastpatent"),
        ({"transformer.wte.weight": torch.zeros(4)}, "no family known here"),
    ):
        with pytest.raises(CheckpointError, match=f"belongs to another network: .*{origin}.*0% of the backbone"):
            load_weights(small, state)


def test_a_large_classifier_does_not_count(small):
    """As of ImageNet's 21,843 classes: it outweighs the network, and has no place in any."""
    state = {
        name.removeprefix("backbone."): value for name, value in noisy(small, 5).items() if name.startswith("backbone.")
    }
    state["fc.weight"] = torch.zeros(21843, 512)
    report = load_weights(small, state)
    assert report.unexpected == ["backbone.fc.weight"] and set(report.missing) == {
        name for name in small.state_dict() if name.startswith("heads.") and "num_batches" not in name
    }
    assert torch.equal(small.backbone.conv1.weight, state["conv1.weight"])


def test_the_backbone_of_a_whole_network_fits_a_bare_one(small):
    for seed, prefix in enumerate(["backbone.", "module.backbone."]):
        state = {prefix + name: value for name, value in noisy(small.backbone, seed).items()}
        report = load_weights(small.backbone, {**state, "heads.weight": torch.zeros(5, 512)})
        assert not report.missing and report.unexpected == ["heads.weight"]
        assert all(torch.equal(value, state[prefix + name]) for name, value in small.backbone.state_dict().items())


class Renamed(Network):
    """A network whose backbone has a name of its own."""

    def __init__(self, name, backbone):
        super().__init__()
        self.add_module(name, backbone)
        self.backbone_name = name

    @property
    def backbones(self):
        return {self.backbone_name: self.get_submodule(self.backbone_name)}


@pytest.mark.parametrize("name", ["encoder", "net"])  # the second is also what training code calls a whole network
def test_a_backbone_of_another_name_is_found(small, name):
    model, expected = Renamed(name, small.backbone), noisy(small.backbone, 7)
    for prefix in ("", f"{name}.", f"module.{name}."):
        state = {prefix + key: value for key, value in expected.items()}
        small.backbone.load_state_dict(noisy(small.backbone, 8))
        report = load_weights(model, state)
        assert not (report.missing or report.unexpected)
        assert all(torch.equal(value, expected[name]) for name, value in small.backbone.state_dict().items())


def test_a_refused_checkpoint_leaves_the_model_unchanged(small, tmp_path):
    before = {name: value.clone() for name, value in small.state_dict().items()}
    state = {"conv.weight": torch.zeros(3), "backbone.conv1.weight": torch.zeros(64, 3, 7, 7)}
    torch.save({"state_dict": state}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pth: belongs to another network.*backbone\.bn1\.weight.*conv\.weight"):
        load_weights(small, tmp_path / "x.pth")
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
