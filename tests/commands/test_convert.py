"""`fastpatent convert`: files that load to the same network, the JSON file of their origin, and files that it refuses."""

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fastpatent import __version__
from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.models import build_model
from fastpatent.models.weights import load_weights

pytestmark = pytest.mark.slow

COMMON = """
INPUT: {SIZE_TRAIN: [64, 64], SIZE_TEST: [64, 64]}
MODEL:
  PIXEL_MEAN: [127.5]
  PIXEL_STD: [127.5]
"""
CHALLENGE = """
  BACKBONE: {DEPTH: 18x, WITH_IBN: True, PRETRAIN: True, PRETRAIN_PATH: nowhere.pth}
  HEADS: {WITH_BNNECK: True, NECK_FEAT: after, CLS_LAYER: CircleSoftmax, SCALE: 64, MARGIN: 0.35}
"""
PATENTNET = """
  BACKBONE: {NAME: timm, TIMM_NAME: resnet18, DROP_PATH_RATIO: 0.0}
  HEADS: {NAME: NormalisedHead, POOL_LAYER: GeneralizedMeanPooling, EMBEDDING_DIM: 512}
  LOSSES: {NAME: [TripletLoss]}
"""
HIGUCHI = """
  BACKBONE: {NAME: timm, TIMM_NAME: swinv2_tiny_window8_256}
  HEADS: {NAME: ProjectionHead, EMBEDDING_DIM: 16, CLS_LAYER: ArcSoftmax}
"""


def as_challenge(name):
    older = {"heads.bottleneck.0.": "heads.bnneck.", "heads.weight": "heads.classifier.weight"}
    for today, before in older.items():
        name = before + name.removeprefix(today) if name.startswith(today) else name
    return f"module.{name}"


def as_patentnet(name):
    return name.removeprefix("backbone.trunk.").removeprefix("heads.")


def as_higuchi(name):
    name = name.replace("backbone.trunk.", "backbone.").replace("heads.bottleneck.", "head.")
    for stage in (1, 2, 3):
        name = name.replace(f"layers.{stage}.downsample.", f"layers.{stage}.downsample.".replace(str(stage), str(stage - 1)))
    return f"module.{name}"


FAMILIES = {
    "challenge": (CHALLENGE, as_challenge, "model"),
    "PatentNet": (PATENTNET, as_patentnet, "state_dict"),
    "Higuchi": (HIGUCHI, as_higuchi, None),
}


def network(path):
    cfg = load_config(path, ["MODEL.BACKBONE.PRETRAIN_PATH", "", "MODEL.HEADS.NUM_CLASSES", "3"])
    return build_model(cfg).eval()


@pytest.fixture
def published(tmp_path):
    """Function of a family's name: (configuration file, a checkpoint as published, the features of its network)."""

    def make(family):
        text, rename, under = FAMILIES[family]
        config, checkpoint = tmp_path / "network.yml", tmp_path / f"{family}.pth"
        config.write_text(COMMON + text)
        torch.manual_seed(0)
        model = network(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.rand_like(parameter))
        # Files of Higuchi & Yanai have no class weights.
        state = {rename(name): v for name, v in model.state_dict().items() if family != "Higuchi" or name != "heads.weight"}
        torch.save({under: state, "epoch": 4, "metric": np.float64(0.75)} if under else state, checkpoint)
        return config, checkpoint, features(model)

    return make


def features(model):
    torch.manual_seed(1)
    with torch.no_grad():
        return model(torch.randint(0, 256, (3, 1, 64, 64), dtype=torch.uint8))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_converted_file_gives_the_same_features(family, published, tmp_path, capsys):
    config, checkpoint, expected = published(family)
    output = tmp_path / "converted.v1.safetensors"
    assert main(["convert", str(checkpoint), str(output)]) == 0
    assert "parameters loaded" not in capsys.readouterr().out
    written, origin = output.read_bytes(), json.loads((tmp_path / "converted.v1.json").read_text())
    model, tensors = network(config), load_file(output)
    report = load_weights(model, output)
    assert set(tensors) == set(report.matched) and set(report.missing) <= {"heads.weight"}
    assert torch.equal(features(model), expected)

    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert family in origin["family"] and origin["fastpatent"] == __version__ and "config" not in origin
    assert origin["source"] == {"file": checkpoint.name, "sha256": digest}
    assert origin["tensors"] == len(tensors) and origin["parameters"] == sum(v.numel() for v in tensors.values())
    if family != "Higuchi":
        assert origin["epoch"] == 4 and origin["metrics"] == {"metric": 0.75}

    assert main(["convert", str(checkpoint), str(output), "--config-file", str(config)]) == 0
    assert "parameters loaded" in capsys.readouterr().out and output.read_bytes() == written
    with_config = json.loads((tmp_path / "converted.v1.json").read_text())
    (tmp_path / "again.yml").write_text(with_config.pop("config"))
    assert with_config == origin and load_config(tmp_path / "again.yml") == load_config(config)


def test_slim_weights_hold_what_features_need_in_half_the_bytes(published, tmp_path, capsys):
    config, checkpoint, expected = published("challenge")
    whole, slim = tmp_path / "whole.safetensors", tmp_path / "slim.safetensors"
    words = ["convert", str(checkpoint), "--config-file", str(config)]
    assert main([*words, str(whole)]) == main([*words, str(slim), "--slim"]) == 0
    before, after = load_file(whole), load_file(slim)
    assert set(after) == set(before) - {"heads.weight"}
    assert all(
        torch.equal(after[name], v.half() if v.is_floating_point() else v) for name, v in before.items() if name in after
    )
    model = network(config)
    load_weights(model, slim)
    assert torch.cosine_similarity(features(model).double(), expected.double()).min() > 0.9999
    capsys.readouterr()
    assert main(["convert", str(checkpoint), str(slim), "--slim"]) == 1
    assert capsys.readouterr().err == "error: --slim: name the configuration of the network by --config-file\n"


def test_a_bare_backbone_stays_one(tmp_path, published):
    config, _, _ = published("challenge")
    state = {f"module.{name}": value for name, value in network(config).backbone.state_dict().items()}
    torch.save({"state_dict": {**state, "module.fc.weight": torch.ones(1000, 512)}}, tmp_path / "resnet18_ibn_a.pth")
    assert main(["convert", str(tmp_path / "resnet18_ibn_a.pth"), str(tmp_path / "bare.safetensors")]) == 0
    found = load_file(tmp_path / "bare.safetensors")
    assert set(found) == {name.removeprefix("module.") for name in (*state, "module.fc.weight")}
    assert all(torch.equal(found[name.removeprefix("module.")], value) for name, value in state.items())
    assert "bare backbone" in json.loads((tmp_path / "bare.json").read_text())["family"]


def test_the_origin_says_which_of_several_state_dicts_was_taken(tmp_path, capsys):
    torch.save({"model": {"heads.x": torch.zeros(2)}, "model_ema": {"heads.x": torch.ones(2)}}, tmp_path / "in.pth")
    assert main(["convert", str(tmp_path / "in.pth"), str(tmp_path / "out.safetensors")]) == 0
    assert "(model_ema taken, model skipped)" in capsys.readouterr().out
    assert torch.equal(load_file(tmp_path / "out.safetensors")["heads.x"], torch.ones(2))
    source = json.loads((tmp_path / "out.json").read_text())["source"]
    assert source["taken"] == "model_ema" and source["skipped"] == ["model"]


def test_tensors_that_share_memory_or_lie_in_strides_are_written(tmp_path):
    shared = torch.randn(4, 6, 3, 3)
    state = {"backbone.a": shared, "backbone.b": shared, "backbone.c": shared.permute(1, 0, 2, 3), "backbone.d": shared[:2]}
    torch.save(state, tmp_path / "in.pth")
    assert main(["convert", str(tmp_path / "in.pth"), str(tmp_path / "out.safetensors")]) == 0
    found = load_file(tmp_path / "out.safetensors")
    assert all(torch.equal(found[name], value) for name, value in state.items())


def truncated(folder, published):
    path = published("challenge")[1]
    path.write_bytes(path.read_bytes()[:100000])
    return path


def pickled(folder, published):
    torch.save({"model": {"weight": torch.zeros(2)}, "args": pytest.Config}, folder / "pickled.pth")
    return folder / "pickled.pth"


def foreign(folder, published):
    save_file({"transformer.wte.weight": torch.zeros(2)}, folder / "gpt.safetensors")
    return folder / "gpt.safetensors"


def test_what_is_no_checkpoint_is_refused_in_one_sentence(published, tmp_path, capsys):
    for make, sentence in (
        (truncated, "is damaged or incomplete (its zip archive has no end)"),
        (pickled, "refused: it needs _pytest.config.Config"),
        (foreign, "are of no known family"),
        (lambda folder, published: folder / "missing.pth", "no such weights file"),
    ):
        source = make(tmp_path, published)
        assert main(["convert", str(source), str(tmp_path / "out.safetensors")]) == 1
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1 and sentence in error and source.name in error
        assert not list(tmp_path.glob("out.*")), source


def test_a_file_of_another_family_than_the_network_is_refused_with_its_family(published, tmp_path, capsys):
    _, checkpoint, _ = published("PatentNet")
    config, _, _ = published("challenge")
    assert main(["convert", str(checkpoint), str(tmp_path / "out.safetensors"), "--config-file", str(config)]) == 1
    error = capsys.readouterr().err
    assert "PatentNet.pth: belongs to another network: it seems to be a checkpoint of PatentNet" in error
    assert not list(tmp_path.glob("out.*"))


def test_a_record_of_another_origin_is_not_replaced(published, tmp_path, capsys):
    _, checkpoint, _ = published("PatentNet")
    output, record = tmp_path / "out.safetensors", tmp_path / "out.json"
    record.write_text('{"of": "a neighbour"}')
    assert main(["convert", str(checkpoint), str(output)]) == 1
    assert f"{record}: this file is there already" in capsys.readouterr().err
    assert record.read_text() == '{"of": "a neighbour"}' and not output.exists()
    record.unlink()
    for _ in range(2):  # its own files it replaces
        assert main(["convert", str(checkpoint), str(output)]) == 0
    record.unlink()
    assert main(["convert", str(checkpoint), str(output)]) == 1


def test_an_output_that_cannot_be_written_is_refused(tmp_path, capsys):
    save_file({"backbone.a": torch.zeros(2)}, tmp_path / "in.safetensors")
    before = (tmp_path / "in.safetensors").read_bytes()
    for output, sentence in (
        ("out.bin", "must be called something.safetensors or something.pth"),
        ("nowhere/out.safetensors", "there is no folder"),
        ("in.safetensors", "is a checkpoint to read, which is not overwritten"),
    ):
        assert main(["convert", str(tmp_path / "in.safetensors"), str(tmp_path / output)]) == 1
        assert sentence in capsys.readouterr().err
        assert (tmp_path / "in.safetensors").read_bytes() == before and len(list(tmp_path.iterdir())) == 1, output
