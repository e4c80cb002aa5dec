"""ImageNet weights from a file: published names, and the warning if there is none."""

import logging

import pytest
import torch
import torchvision

from fastpatent.errors import CheckpointError
from fastpatent.models import build_model


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
    assert not caplog.text


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
