"""Weights between the pretrained and the trained ones (WiSE-FT), of networks of every kind, against float64."""

import copy

import pytest
import timm
import torch
from safetensors.torch import save_file

from fastpatent.config import get_cfg
from fastpatent.errors import CheckpointError, ConfigError
from fastpatent.models import build_model
from fastpatent.models.wise_ft import interpolated, move_towards_pretrained
from tests.models.pairs import config, theirs


def image_config(network="Baseline", **keys):
    cfg = get_cfg()
    cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.BACKBONE.NAME, cfg.MODEL.BACKBONE.TIMM_NAME = network, "timm", "test_resnet"
    cfg.MODEL.HEADS.NUM_CLASSES, cfg.INPUT.SIZE_TRAIN, cfg.MODEL.WEIGHTS = 3, [32, 32], "trained.pth"
    cfg.merge_from_list([item for key, value in keys.items() for item in (key.replace("__", "."), value)])
    return cfg


def check(network, trained, start, alpha):
    """Compare a network with the line from `start`, a dict of what is pretrained by its names, to a trained state."""
    for name, value in network.state_dict().items():
        goal = trained[name]
        if name in start and goal.is_floating_point():
            expected = (1 - alpha) * start[name].double() + alpha * goal.double()
            torch.testing.assert_close(value.double(), expected, rtol=1e-6, atol=1e-7, msg=f"{alpha}: {name}")
            assert alpha not in (0, 1) or torch.equal(value, goal if alpha else start[name]), name
        else:
            assert torch.equal(value, goal), name


def train(network):
    """Change all values, as a training does; return the state."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            value += 5 if name.endswith("num_batches_tracked") else torch.rand_like(value)
    return copy.deepcopy(network.state_dict())


def test_a_pair_of_towers(pair_file, tmp_path):
    file = pair_file("resnet")  # has counters of batches, which are whole numbers
    published = theirs(file, tmp_path)
    torch.save({"state_dict": published.state_dict()}, tmp_path / "epoch.pt")
    cfg = config(file, MODEL__CLIP__PRETRAINED=str(tmp_path / "epoch.pt"), MODEL__WEIGHTS="trained.pth")
    network = build_model(cfg)
    own = {name: value for name, value in published.state_dict().items() if name.startswith("visual.")}
    assert not torch.equal(network.visual.conv1.weight, own["visual.conv1.weight"])  # MODEL.WEIGHTS is to replace them
    trained = train(network)
    for cfg.TEST.WISE_FT in (0.0, 0.3, 0.9, 1.0):
        network.load_state_dict(trained)
        move_towards_pretrained(network, cfg)
        visual = {name: value for name, value in trained.items() if name.startswith("visual.")}
        check(network.visual, _below(visual, "visual."), _below(own, "visual."), cfg.TEST.WISE_FT)


def _below(state, prefix):
    return {name.removeprefix(prefix): value for name, value in state.items()}


@pytest.mark.parametrize("kind", ["Baseline", "TwoBranch", "RotNet"])
def test_backbones_of_image_networks_and_not_their_heads(kind, package):
    path, published = package  # it lacks bn1.bias, which stays as trained
    cfg = image_config(kind, MODEL__BACKBONE__PRETRAIN_PATH=path)
    network = build_model(cfg)
    towers = [f"{name}.trunk." for name in network.backbones]
    assert len(towers) == (2 if kind == "TwoBranch" else 1)
    start = {tower + name: value for tower in towers for name, value in published.items() if name != "bn1.bias"}
    trained = train(network)
    for cfg.TEST.WISE_FT in (0.0, 0.4, 1.0):
        network.load_state_dict(trained)
        move_towards_pretrained(network, cfg)
        check(network, trained, start, cfg.TEST.WISE_FT)


def test_a_file_is_read_as_for_training(tmp_path):
    """Colour weights are fitted to a network of one channel."""
    torch.manual_seed(1)
    published = timm.create_model("test_resnet").state_dict()
    save_file(published, tmp_path / "net.safetensors")
    keys = {"MODEL__PIXEL_MEAN": [127.0], "MODEL__PIXEL_STD": [60.0]}
    path = str(tmp_path / "net.safetensors")
    start = build_model(image_config(MODEL__WEIGHTS="", MODEL__BACKBONE__PRETRAIN_PATH=path, **keys)).state_dict()
    cfg = image_config(MODEL__BACKBONE__PRETRAIN_PATH=path, TEST__WISE_FT=0.25, **keys)
    network = build_model(cfg)
    trained = train(network)
    move_towards_pretrained(network, cfg)
    check(network, trained, {name: value for name, value in start.items() if name.startswith("backbone.")}, 0.25)


def test_without_pretrained_weights_both_keys_are_named(pair_file):
    file = pair_file()
    for cfg in (
        image_config(TEST__WISE_FT=0.5),
        image_config(TEST__WISE_FT=0.5, MODEL__CLIP__PRETRAINED="of_no_pair.pt"),
        config(file, TEST__WISE_FT=0.5),
        config(file, TEST__WISE_FT=0.5, MODEL__BACKBONE__PRETRAIN_PATH="of_no_pair.pth", MODEL__WEIGHTS="trained.pth"),
    ):
        network = build_model(cfg)
        with pytest.raises(ConfigError, match=r"^TEST.WISE_FT: is 0.5.*MODEL.CLIP.PRETRAINED.*MODEL.BACKBONE.PRETRAIN_PATH"):
            move_towards_pretrained(network, cfg)


def test_weights_that_do_not_fit_change_nothing(tmp_path):
    torch.save(timm.create_model("test_convnext").state_dict(), tmp_path / "other.pth")
    cfg = image_config(TEST__WISE_FT=0.5, MODEL__BACKBONE__PRETRAIN_PATH=str(tmp_path / "other.pth"))
    network = build_model(cfg)
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(CheckpointError, match="other.pth: belongs to another network"):
        move_towards_pretrained(network, cfg)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_states_of_two_networks_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="one state only"):
        interpolated({"weight": torch.ones(1)}, {}, 0.5)
