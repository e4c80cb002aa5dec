"""PatentNet and Higuchi & Yanai's SwinV2, from files under their published names, against features computed elsewhere."""

import json

import numpy as np
import pytest
import torch

from fastpatent.config import get_cfg
from fastpatent.models import build_model
from fastpatent.models.weights import load_weights

PATENTNET = {
    "MODEL.HEADS.NAME": "NormalisedHead",
    "MODEL.HEADS.POOL_LAYER": "GeneralizedMeanPooling",
    "MODEL.LOSSES.NAME": ("TripletLoss",),
    "MODEL.PIXEL_MEAN": [127.5] * 3,
    "MODEL.PIXEL_STD": [127.5] * 3,
}
HIGUCHI = {
    "MODEL.BACKBONE.TIMM_NAME": "swinv2_base_window12to24_192to384",
    "MODEL.HEADS.NAME": "ProjectionHead",
    "MODEL.HEADS.EMBEDDING_DIM": 512,
    "MODEL.HEADS.NUM_CLASSES": 1,
    "MODEL.HEADS.DROPOUT": 0.5,
    "MODEL.PIXEL_MEAN": [127.5],
    "MODEL.PIXEL_STD": [127.5],
}


def network(size, settings):
    cfg = get_cfg()
    keys = {"MODEL.BACKBONE.NAME": "timm", "INPUT.SIZE_TRAIN": [size, size], "INPUT.SIZE_TEST": [size, size], **settings}
    cfg.merge_from_list([word for pair in keys.items() for word in pair])
    return build_model(cfg).eval()


def filled(filling, shared, name):
    """A published state dict by the rule of the reference."""
    rows = json.loads((shared / "reference" / f"{name}.keys.json").read_text())
    state = {key: torch.from_numpy(np.asarray(filling.fill(key, shape))) for key, shape, _ in rows}
    return {key: value.fill_(2.3026) if key.endswith("logit_scale") else value for key, value in state.items()}


def error(model, drawings, expected):
    """Relative distance of features from the reference, both without the mean over the batch."""
    with torch.inference_mode():
        features = model(torch.from_numpy(drawings)[:, None]).numpy()
    features, expected = features - features.mean(0), expected - expected.mean(0)
    return np.linalg.norm(features - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize(("depth", "dim"), [(18, 512), (50, 2048)])
@pytest.mark.parametrize("with_fc", [False, True])
def test_patentnet_meets_the_reference(depth, dim, with_fc, filling, shared, tmp_path):
    torch.save({"state_dict": filled(filling, shared, f"patentnet.resnet{depth}_rmac")}, tmp_path / "patentnet.pt")
    settings = {"MODEL.BACKBONE.TIMM_NAME": f"resnet{depth}", "MODEL.HEADS.EMBEDDING_DIM": dim if with_fc else 0}
    model = network(256, {**PATENTNET, **settings})
    report = load_weights(model, tmp_path / "patentnet.pt")
    assert not report.missing and not report.reshaped
    assert report.unexpected == ([] if with_fc else ["heads.fc.weight", "heads.fc.bias"])
    expected = np.load(shared / "reference" / "patentnet.npz")[f"resnet{depth}_rmac_{'fc' if with_fc else 'gem'}"]
    assert error(model, filling.drawings(4, 256), expected) < 1e-4


def test_higuchis_network_meets_the_reference(filling, shared, tmp_path):
    torch.save(filled(filling, shared, "higuchi_swinv2"), tmp_path / "higuchi.pth")
    model = network(384, HIGUCHI)
    report = load_weights(model, tmp_path / "higuchi.pth")
    assert report.missing == ["heads.weight"] and not report.unexpected and not report.reshaped
    expected = np.load(shared / "reference" / "higuchi_swinv2.npz")["features_384"]
    assert error(model, filling.drawings(2, 384), expected) < 1e-4
