"""A trained network from its configuration, and the number of classes that a configuration has."""

import logging

import pytest
import torch

from fastpatent.config import load_config
from fastpatent.errors import CheckpointError, ConfigError
from fastpatent.models import build_model, with_classes
from fastpatent.models.trained import load_trained
from tests.network_configs import CONFIGS

CPU = torch.device("cpu")
SMALL = ["MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", "test_convnext", "INPUT.SIZE_TRAIN", "[32, 32]"]
PAIR = ["MODEL.META_ARCHITECTURE", "PatentCLIP", "MODEL.CLIP.NAME", str(CONFIGS / "impact/small_pair.json")]
PAIR += [
    "INPUT.SIZE_TRAIN",
    "[32, 32]",
    "INPUT.SIZE_TEST",
    "[32, 32]",
    "MODEL.PIXEL_MEAN",
    "[255]",
    "MODEL.PIXEL_STD",
    "[64]",
]


@pytest.fixture
def saved(tmp_path):
    """Function of settings: the network they build for three classes, and the file of its weights."""

    def save(settings, name):
        torch.manual_seed(len(name))
        network = build_model(with_classes(load_config(overrides=settings), 3))
        path = str(tmp_path / name)
        torch.save({"model": network.state_dict()}, path)
        return network, path

    return save


def states_equal(network, other, but=()):
    own, found = network.state_dict(), other.state_dict()
    return own.keys() == found.keys() and all(torch.equal(own[name], found[name]) for name in own if name not in but)


def test_a_trained_network_has_its_weights_and_is_in_evaluation_mode(saved, caplog):
    caplog.set_level(logging.INFO)
    network, path = saved(SMALL, "model_best.pth")
    found = load_trained(load_config(overrides=[*SMALL, "MODEL.WEIGHTS", path]), CPU)
    assert not found.training and states_equal(found, network, but=["heads.weight"])
    # the number of classes does not matter in evaluation
    loaded = sum(name not in ("pixel_mean", "pixel_std", "heads.weight") for name in network.state_dict())
    assert caplog.messages == [f"{path}: {loaded} parameters loaded, 0 missing, 0 without a place, 0 of another shape"]


def test_what_cannot_be_evaluated(saved):
    _, path = saved(SMALL, "model_best.pth")
    for settings, error, sentence in (
        (["DESCRIPTOR.NAME", "hog"], ConfigError, "DESCRIPTOR.NAME: hog is not a network"),
        ([], ConfigError, "MODEL.WEIGHTS is empty"),
        (PAIR, ConfigError, "MODEL.WEIGHTS is empty"),
        (["MODEL.WEIGHTS", "nowhere.pth"], CheckpointError, "nowhere.pth"),
        (["MODEL.BACKBONE.TIMM_NAME", "test_efficientnet", "MODEL.WEIGHTS", path], CheckpointError, "another network"),
    ):
        with pytest.raises(error, match=sentence):
            load_trained(load_config(overrides=[*SMALL, *settings]), CPU)


def test_a_pair_of_towers_has_its_weights_or_the_pretrained_ones_or_a_mixture(saved):
    (first, started), (last, trained) = saved(PAIR, "start.pth"), saved(PAIR, "trained.pth")
    pretrained = [*PAIR, "MODEL.CLIP.PRETRAINED", started]
    assert states_equal(load_trained(load_config(overrides=pretrained), CPU), first)
    pretrained += ["MODEL.WEIGHTS", trained]
    assert states_equal(load_trained(load_config(overrides=pretrained), CPU), last)
    mixed = load_trained(load_config(overrides=[*pretrained, "TEST.WISE_FT", "0.25"]), CPU)
    states = (network.state_dict() for network in (mixed, first, last))
    for (name, value), before, after in zip(next(states).items(), *(state.values() for state in states)):
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.75 * before + 0.25 * after, msg=name)


def test_the_number_of_classes_comes_from_the_data_unless_it_is_given():
    for given, found, expected in ((0, 7, 7), (7, 7, 7), (9, 7, 9)):
        cfg = load_config(overrides=["MODEL.HEADS.NUM_CLASSES", str(given), "MODEL.BACKBONE.PRETRAIN", "True"])
        assert with_classes(cfg, found).MODEL.HEADS.NUM_CLASSES == expected
        assert with_classes(cfg, found).MODEL.BACKBONE.PRETRAIN and cfg.MODEL.HEADS.NUM_CLASSES == given
        assert not with_classes(cfg, found, resumed=True).MODEL.BACKBONE.PRETRAIN
    with pytest.raises(ConfigError, match="NUM_CLASSES is 3, but the training set has 7"):
        with_classes(load_config(overrides=["MODEL.HEADS.NUM_CLASSES", "3"]), 7)
