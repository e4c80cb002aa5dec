"""Small networks and the reference weights for the tests of this room."""

import importlib.util
import json

import numpy as np
import pytest
import torch

from fastpatent.config import get_cfg
from fastpatent.models import build_model

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
    """Function of a depth, a number of classes and further keys: the challenge network's config."""

    def make(depth="18x", classes=37, **settings):
        cfg = get_cfg()
        keys = {**CHALLENGE, "MODEL.BACKBONE.DEPTH": depth, "MODEL.HEADS.NUM_CLASSES": classes, **settings}
        cfg.merge_from_list([item for pair in keys.items() for item in pair])
        return cfg

    return make


@pytest.fixture(scope="session")
def r101(challenge_config):
    """The challenge's ResNet-101, in evaluation; built once, so a test loads the weights it looks at."""
    return build_model(challenge_config("101x")).eval()


@pytest.fixture(scope="session")
def filling(shared):
    """The module that makes the reference's weights and drawings."""
    spec = importlib.util.spec_from_file_location("fill_weights", shared / "reference" / "fill_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference_keys(shared):
    """Rows [name, shape, dtype] of the challenge checkpoint, in order."""
    return json.loads((shared / "reference" / "dira_r101_ibn_nl.keys.json").read_text())


@pytest.fixture(scope="session")
def reference_state(filling, reference_keys):
    """The challenge checkpoint's names with the reference's values."""
    return {name: torch.from_numpy(np.asarray(filling.fill(name, shape))) for name, shape, _ in reference_keys}
