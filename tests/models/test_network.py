"""The interface of networks, and what a configuration becomes before one is built."""

import pytest
import torch
from torch import nn

from fastpatent.config import load_config
from fastpatent.errors import ConfigError
from fastpatent.models import Network, build_model, with_classes


class Small(Network):
    """A network of one backbone of two layers."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))

    @property
    def backbones(self):
        return {"encoder": self.encoder}


def test_parameters_have_names():
    network = Small()
    for name, parameter in network.named_parameters():
        assert network.name_of(parameter) == name
    assert network.name_of(None) is None
    assert network.name_of(nn.Parameter(torch.zeros(2, 2))) is None


def test_the_layers_of_a_backbone_are_its_children_or_its_own():
    network = Small()
    assert network.layer_depths("encoder") == {"0.weight": 0, "0.bias": 0, "2.weight": 1, "2.bias": 1}
    network.encoder.layer_depths = lambda: {"0.weight": 5}
    assert network.layer_depths("encoder") == {"0.weight": 5}


def test_a_network_without_a_text_tower_refuses_texts(challenge_config):
    with pytest.raises(ConfigError, match="MODEL.META_ARCHITECTURE: Baseline has no text tower"):
        build_model(challenge_config()).embed_texts(torch.zeros(1, 4, dtype=torch.int64))


def test_a_network_has_only_what_it_defines():
    network = Network()
    assert (network.backbones, network.head, network.classifier_weight) == ({}, None, None)
    assert network.backbone_inputs(torch.zeros(1, 1, 2, 2)) == {}
    with pytest.raises(NotImplementedError):
        network.embed_images(torch.zeros(1, 1, 2, 2))


def test_the_number_of_classes_comes_from_the_data_unless_it_is_given():
    for given, found, expected in ((0, 7, 7), (7, 7, 7), (9, 7, 9)):
        words = [
            "MODEL.HEADS.NUM_CLASSES",
            str(given),
            "MODEL.BACKBONE.PRETRAIN",
            "True",
            "MODEL.TOWER_WEIGHTS",
            "['a', 'b']",
        ]
        cfg = load_config(overrides=words)
        filled, resumed = with_classes(cfg, found), with_classes(cfg, found, resumed=True)
        assert filled.MODEL.HEADS.NUM_CLASSES == resumed.MODEL.HEADS.NUM_CLASSES == expected
        assert filled.MODEL.BACKBONE.PRETRAIN and list(filled.MODEL.TOWER_WEIGHTS) == ["a", "b"]
        assert not resumed.MODEL.BACKBONE.PRETRAIN and not any(resumed.MODEL.TOWER_WEIGHTS)
        assert cfg.MODEL.HEADS.NUM_CLASSES == given


def test_too_few_classes_are_refused():
    with pytest.raises(ConfigError, match="NUM_CLASSES is 3, but the training set has 7"):
        with_classes(load_config(overrides=["MODEL.HEADS.NUM_CLASSES", "3"]), 7)
