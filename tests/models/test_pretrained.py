"""ImageNet weights for a new network: published names, the normalisation that belongs to them, and what is reported."""

import json
import logging

import pytest
import timm
import torch
import torchvision

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.errors import CheckpointError
from fastpatent.models import build_model
from fastpatent.models.trained import load_trained
from tests.polygons import write_designs


def pretrained(path, **settings):
    return {"MODEL.BACKBONE.PRETRAIN": True, "MODEL.BACKBONE.PRETRAIN_PATH": str(path), **settings}


def test_torchvisions_file_fills_all_but_ibn_and_the_rest_is_logged(challenge_config, tmp_path, caplog):
    torch.manual_seed(0)
    oracle = torchvision.models.resnet18(weights=None)
    torch.save(oracle.state_dict(), tmp_path / "resnet18.pth")
    backbone = build_model(challenge_config(**pretrained(tmp_path / "resnet18.pth"))).backbone
    expected = oracle.state_dict()
    for name, value in backbone.state_dict().items():
        assert ".IN." in name or ".BN." in name or torch.equal(value, expected[name]), name
    assert "layer1.0.bn1.IN.weight" in caplog.text and "not in the file" in caplog.text


def test_ibn_nets_file_fills_everything(challenge_config, tmp_path, caplog):
    oracle = build_model(challenge_config()).backbone
    state = {f"module.{name}": value for name, value in oracle.state_dict().items()}
    state.update({"module.fc.weight": torch.zeros(1000, 512), "module.fc.bias": torch.zeros(1000)})
    torch.save({"state_dict": state, "epoch": 90}, tmp_path / "resnet18_ibn_a.pth.tar")
    backbone = build_model(challenge_config(**pretrained(tmp_path / "resnet18_ibn_a.pth.tar"))).backbone
    assert all(torch.equal(value, oracle.state_dict()[name]) for name, value in backbone.state_dict().items())
    assert [record for record in caplog.records if record.levelname != "INFO"] == []  # no table


def test_a_path_beside_pretrain_false_is_used(challenge_config, tmp_path):
    oracle = build_model(challenge_config()).backbone
    torch.save(oracle.state_dict(), tmp_path / "backbone.pth")
    settings = pretrained(tmp_path / "backbone.pth") | {"MODEL.BACKBONE.PRETRAIN": False}
    backbone = build_model(challenge_config(**settings)).backbone
    assert all(torch.equal(value, oracle.state_dict()[name]) for name, value in backbone.state_dict().items())


def test_without_a_path_a_warning_reports_random_weights(challenge_config, caplog):
    with caplog.at_level(logging.WARNING):
        build_model(challenge_config(**pretrained("")))
    assert "PRETRAIN_PATH" in caplog.text and "random weights" in caplog.text


def test_trained_weights_replace_them_silently(challenge_config, caplog):
    for path in ("", "missing.pth"):
        build_model(challenge_config(**pretrained(path, **{"MODEL.WEIGHTS": "logs/model_best.pth"})))
        assert not caplog.text, path


def test_a_missing_file_is_an_error(challenge_config):
    with pytest.raises(CheckpointError, match=r"resnet18\.pth: no such weights file"):
        build_model(challenge_config(**pretrained("models/resnet18.pth")))


def timm_config(path, name="tf_efficientnet_lite0", *words, file=None):
    size = [word for key in ("SIZE_TRAIN", "SIZE_TEST") for word in (f"INPUT.{key}", "[32, 32]")]
    backbone = ["MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", name, "MODEL.BACKBONE.PRETRAIN_PATH", str(path)]
    return load_config(file, [*size, *backbone, "MODEL.HEADS.NUM_CLASSES", "3", *words])


@pytest.mark.parametrize("network, file", [(0, 1), (1, 0)])
def test_a_network_of_another_depth_is_refused(network, file, tmp_path):
    """The two differ in nothing else, and have four fifths of their values in common."""
    torch.save(timm.create_model(f"tf_efficientnet_lite{file}").state_dict(), tmp_path / "net.pth")
    counts = f"blocks.1 has {2 + file} layers in the file and {2 + network} here"
    with pytest.raises(CheckpointError, match=f"net.pth: belongs to another network: {counts}; name weights of MODEL.BACK"):
        build_model(timm_config(tmp_path / "net.pth", f"tf_efficientnet_lite{network}"))


IMAGENET = [123.675, 116.28, 103.53]
OPENAI = [0.48145466 * 255, 0.4578275 * 255, 0.40821073 * 255]


@pytest.mark.parametrize(
    "path, name, words, mean",
    [
        ("timm", "tf_efficientnet_lite0", [], [127.5] * 3),
        ("package:x", "tf_efficientnet_lite0.in1k", [], [127.5] * 3),
        ("hf-hub:x/y", "vit_base_patch16_clip_224.openai", [], OPENAI),
        ("timm", "tf_efficientnet_b0", [], IMAGENET),
        ("net.pth", "tf_efficientnet_lite0", [], IMAGENET),
        ("", "tf_efficientnet_lite0", [], IMAGENET),
        ("timm", "no_such_model", [], IMAGENET),
        ("timm", "tf_efficientnet_lite0.no_such_tag", [], IMAGENET),
        ("timm", "tf_efficientnet_lite0", ["MODEL.PIXEL_STD", "[50, 50, 50]"], IMAGENET),
        ("timm", "tf_efficientnet_lite0", ["MODEL.PIXEL_MEAN", str(IMAGENET)], IMAGENET),
        ("timm", "tf_efficientnet_lite0", ["MODEL.BACKBONE.NAME", "build_resnet_backbone"], IMAGENET),
    ],
)
def test_images_are_normalised_as_for_the_weights_unless_the_configuration_says_otherwise(path, name, words, mean, tmp_path):
    cfg = timm_config(path, name, *words)
    assert cfg.MODEL.PIXEL_MEAN == pytest.approx(mean) and len(cfg.MODEL.PIXEL_STD) == 3
    (tmp_path / "base.yml").write_text("MODEL: {PIXEL_MEAN: [1], PIXEL_STD: [2]}\n")
    (tmp_path / "own.yml").write_text("_BASE_: base.yml\n")
    cfg = timm_config(path, name, file=tmp_path / "own.yml")
    assert (cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD) == ([1], [2])


def test_what_is_pretrained_and_how_images_are_normalised_is_reported(package, caplog):
    name, state = package
    with caplog.at_level(logging.INFO):
        backbone = build_model(timm_config(name, "test_resnet")).backbone
    own = backbone.trunk.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in own.items() if key != "bn1.bias")
    lines = [record.getMessage() for record in caplog.records]
    assert f"pretrained    {len(own) - 1} of {len(own)} tensors of the backbone, from package:net-weights" in lines
    assert "normalisation mean 127.5, 127.5, 127.5; deviation 127.5, 127.5, 127.5, as of timm's test_resnet" in lines
    caplog.clear()
    with caplog.at_level(logging.INFO):
        build_model(timm_config(name, "test_resnet", "MODEL.PIXEL_STD", "[1, 2, 3]"))
    found = (
        "normalisation mean 123.675, 116.28, 103.53; deviation 1, 2, 3, set by the configuration; mean 127.5, 127.5, 127.5; "
    )
    assert found + "deviation 127.5, 127.5, 127.5 of timm's test_resnet" in caplog.text


@pytest.mark.slow
def test_a_run_keeps_the_normalisation_of_its_weights(package, tmp_path, monkeypatch):
    """The folder of the run is enough, though the package is gone."""
    write_designs(tmp_path / "designs", 4, widen=1)
    run = tmp_path / "run"
    words = ["DATASETS.NAMES", "[Drawings]", "DATASETS.TESTS", "[Drawings]", "DATASETS.ROOT", str(tmp_path / "designs")]
    words += ["DATASETS.DRAWINGS.VAL_FRACTION", "0.5", "INPUT.SIZE_TRAIN", "[32,32]", "INPUT.SIZE_TEST", "[32,32]"]
    words += ["MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", "test_resnet", "MODEL.DEVICE", "cpu"]
    words += ["DATALOADER.NUM_WORKERS", "0", "SOLVER.IMS_PER_BATCH", "4", "SOLVER.MAX_EPOCH", "1", "OUTPUT_DIR", str(run)]
    assert main(["train", *words, "MODEL.BACKBONE.PRETRAIN_PATH", package[0]]) == 0
    log = (run / "log.txt").read_text()
    assert "pretrained    89 of 90 tensors of the backbone, from package:net-weights\nnormalisation mean 127.5" in log
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    weights = ["MODEL.WEIGHTS", str(run / "model_final.pth")]
    network = load_trained(load_config(run / "config.yaml", weights), torch.device("cpu"))
    assert network.pixel_mean.flatten().tolist() == network.pixel_std.flatten().tolist() == [127.5] * 3
    assert main(["test", "--config-file", str(run / "config.yaml"), *weights]) == 0
    cached = json.loads((run / "features/Drawings.json").read_text())
    assert cached["origin"]["configuration"]["MODEL.PIXEL_MEAN"] == [127.5] * 3
