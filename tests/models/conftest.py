"""Small networks and the reference weights for the tests of models."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from fastpatent.config import get_cfg
from fastpatent.models import build_model
from tests.models.pairs import write_pair

REFERENCE = Path(__file__).resolve().parents[1] / "reference"  # as `reference_folder`, at import
CHALLENGE = {
    "MODEL.HEADS.POOL_LAYER": "GeneralizedMeanPoolingP",
    "MODEL.HEADS.CLS_LAYER": "CircleSoftmax",
    "MODEL.HEADS.SCALE": 64,
    "MODEL.HEADS.MARGIN": 0.35,
    "MODEL.HEADS.WITH_BNNECK": True,
    "MODEL.HEADS.NECK_FEAT": "after",
    "MODEL.BACKBONE.WITH_IBN": True,
    "MODEL.BACKBONE.WITH_NL": True,
    "MODEL.LOSSES.NAME": ("CrossEntropyLoss", "TripletLoss"),
    "MODEL.LOSSES.TRI.MARGIN": 0.0,
    "MODEL.LOSSES.TRI.HARD_MINING": True,
}


@pytest.fixture(scope="session")
def challenge_config():
    """Function of a depth, a number of classes and further keys: the config of the challenge network."""

    def make(depth="18x", classes=37, **settings):
        cfg = get_cfg()
        keys = {**CHALLENGE, "MODEL.BACKBONE.DEPTH": depth, "MODEL.HEADS.NUM_CLASSES": classes, **settings}
        cfg.merge_from_list([item for pair in keys.items() for item in pair])
        return cfg

    return make


@pytest.fixture(scope="session")
def r101(challenge_config):
    """The challenge's ResNet-101, in evaluation mode; built once, so each test loads the weights that it needs."""
    return build_model(challenge_config("101x")).eval()


@pytest.fixture(scope="session")
def filling():
    """The module that makes the weights and drawings of the reference."""
    spec = importlib.util.spec_from_file_location("fill_weights", REFERENCE / "fill_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference_keys():
    """Function of a published checkpoint: its rows [name, shape, dtype], in order."""
    return lambda name: json.loads((REFERENCE / f"{name}.keys.json").read_text())


@pytest.fixture(scope="session")
def reference_features():
    """Function of a file and a key: the stored features."""

    def read(name, key):
        with np.load(REFERENCE / f"{name}.npz") as file:
            return file[key]

    return read


@pytest.fixture(scope="session")
def reference_state(filling, reference_keys):
    """Function of a published checkpoint: its names with the values of the reference."""

    def make(name):
        state = {key: torch.from_numpy(np.asarray(filling.fill(key, shape))) for key, shape, _ in reference_keys(name)}
        return {key: value.fill_(2.3026) if key.endswith("logit_scale") else value for key, value in state.items()}

    return make


@pytest.fixture(scope="session")
def challenge_state(reference_state):
    """The state dict of the challenge checkpoint."""
    return reference_state("dira_r101_ibn_nl")


@pytest.fixture
def pair_file(tmp_path):
    """Function of the kind of image tower and further settings: the JSON file of a small open_clip model."""
    return lambda kind="vit", name="pair", **settings: write_pair(tmp_path / f"{name}.json", kind, **settings)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package of weights for timm's test_resnet, whose code must not run; its name and the weights."""
    folder = tmp_path / "site/net_weights/models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise AssertionError\n")
    torch.manual_seed(1)
    state = timm.create_model("test_resnet").state_dict()
    torch.save({name: value for name, value in state.items() if name != "bn1.bias"}, folder / "net.pth")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return "package:net-weights", state
