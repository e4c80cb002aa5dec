"""`fastpatent average`: the mean of checkpoints in float64, the files that it writes, and those that it refuses."""

import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fastpatent import __version__
from fastpatent.commands import main
from fastpatent.models import build_model
from fastpatent.models.weights import load_weights
from tests.small_sets import small_config


def average(*words):
    return main(["average", *map(str, words)])


def states(folder, count=3):
    """Write checkpoints of one network as trainings, safetensors and DataParallel do; return their states and paths."""
    generator, found = torch.Generator().manual_seed(0), []
    for number in range(count):
        state = {
            "backbone.conv.weight": torch.randn(4, 3, generator=generator),
            "backbone.half": (60000 * torch.rand(5, generator=generator)).half(),  # whose sum is too large for float16
            "backbone.bn.running_var": torch.rand(4, generator=generator),
            "backbone.bn.num_batches_tracked": torch.tensor(10 + number),
            "heads.scale": torch.rand((), generator=generator),
        }
        found.append((state, folder / f"{number}{('.pth', '.safetensors', '.pt')[number % 3]}"))
    for number, (state, path) in enumerate(found):
        if number % 3 == 0:
            torch.save({"trained": {name: value + 1 for name, value in state.items()}, "model": state, "epoch": 3}, path)
        elif number % 3 == 1:
            save_file(state, path)
        else:
            torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, path)
    return [state for state, _ in found], [path for _, path in found]


@pytest.mark.parametrize("name", ["soup.pth", "soup.safetensors"])
def test_floats_are_averaged_in_float64_and_integers_are_those_of_the_first(name, tmp_path, capsys):
    given, paths = states(tmp_path)
    assert average(tmp_path / name, *paths) == 0
    found = torch.load(tmp_path / name, weights_only=True) if name.endswith("pth") else load_file(tmp_path / name)
    assert {*found} == {*given[0]}
    for key, value in found.items():
        parts = np.stack([state[key].double().numpy() for state in given])
        expected = parts.mean(0) if value.is_floating_point() else parts[0]
        assert value.dtype == given[0][key].dtype
        assert torch.equal(value, torch.from_numpy(np.asarray(expected)).to(value.dtype)), key

    record = json.loads((tmp_path / "soup.json").read_text())
    assert (record["weights"], record["tensors"], record["fastpatent"]) == (name, 5, __version__)
    assert record["parameters"] == sum(value.numel() for value in found.values())
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    assert [(source["file"], source["sha256"]) for source in record["average"]] == [
        (path.name, digest) for path, digest in zip(paths, digests)
    ]
    assert record["average"][0]["taken"] == "model" and record["average"][0]["skipped"] == ["trained"]
    assert f"{name}: 5 tensors, 0.0 M values, the mean of 3 checkpoints" in capsys.readouterr().out
    assert average(tmp_path / name, *paths[:2]) == 0  # its own file it replaces


def test_a_network_loads_the_mean(tmp_path):
    cfg = small_config()
    cfg.MODEL.BACKBONE.NAME, cfg.MODEL.BACKBONE.TIMM_NAME, cfg.MODEL.HEADS.NUM_CLASSES = "timm", "test_resnet", 3
    networks = [build_model(cfg) for _ in range(2)]
    for number, network in enumerate(networks):
        torch.save({"model": network.state_dict()}, tmp_path / f"{number}.pth")
    assert average(tmp_path / "soup.pth", tmp_path / "0.pth", tmp_path / "1.pth") == 0
    mean = build_model(cfg)
    report = load_weights(mean, tmp_path / "soup.pth")
    assert not report.missing and not report.unexpected
    for one, other, found in zip(*(network.parameters() for network in (*networks, mean))):
        torch.testing.assert_close(found, (one + other) / 2)


def without(state):
    return {name: value for name, value in state.items() if name != "backbone.half"}


@pytest.mark.parametrize(
    "change, sentence",
    [
        (without, "backbone.half is missing here and [5] there"),
        (lambda state: state | {"heads.x": torch.ones(2)}, "heads.x is [2] here and missing there"),
        (lambda state: state | {"heads.scale": torch.ones(2)}, "heads.scale is [2] here and [] there"),
    ],
)
def test_the_first_tensor_that_differs_is_named(change, sentence, tmp_path, capsys):
    given, paths = states(tmp_path)
    torch.save(change(given[2]), paths[2])
    assert average(tmp_path / "soup.pth", *paths) == 1
    error = capsys.readouterr().err
    assert f"{paths[2]}: is of another network than {paths[0]}: {sentence}" in error and error.count("\n") == 1
    assert not list(tmp_path.glob("soup*"))


def test_what_cannot_be_written_or_read_is_refused(tmp_path, capsys):
    _, paths = states(tmp_path)
    (tmp_path / "theirs.pth").write_bytes(b"theirs")
    (tmp_path / "torn.pth").write_bytes(paths[0].read_bytes()[:1000])
    for output, sources, sentence in (
        ("soup.bin", paths, "must be called something.safetensors or something.pth"),
        ("nowhere/soup.pth", paths, "there is no folder"),
        (paths[0].name, paths, "is a checkpoint to read, which is not overwritten"),
        ("theirs.pth", paths, "this file is there already"),
        ("soup.pth", [*paths, tmp_path / "torn.pth"], "torn.pth: is damaged or incomplete"),
        ("soup.pth", [*paths, tmp_path / "missing.pth"], "missing.pth: no such weights file"),
    ):
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert average(tmp_path / output, *sources) == 1
        error = capsys.readouterr().err
        assert sentence in error and error.count("\n") == 1
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before, output
    with pytest.raises(SystemExit):
        average(tmp_path / "soup.pth", paths[0])


def test_the_record_of_another_suffix_gives_no_file(tmp_path, capsys):
    """A checkpoint that was converted has a JSON file of its name, which is of the converted file alone."""
    _, paths = states(tmp_path)
    torch.save({"x": torch.ones(1)}, tmp_path / "net.pth")
    assert average(tmp_path / "net.safetensors", *paths) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert average(tmp_path / "net.pth", *paths) == 1
    assert "net.pth: this file is there already" in capsys.readouterr().err
    (tmp_path / "net.pth").unlink()
    assert average(tmp_path / "net.pth", *paths) == 1
    assert "net.json: this file is there already" in capsys.readouterr().err
    del before[tmp_path / "net.pth"]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
