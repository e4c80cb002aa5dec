"""PatentNet and the SwinV2 of Higuchi & Yanai, from files under their published names, against the reference."""

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


def error(model, drawings, expected):
    """Relative distance of features from the reference, both without the mean over the batch."""
    with torch.inference_mode():
        features = model(torch.from_numpy(drawings)[:, None]).numpy()
    features, expected = features - features.mean(0), expected - expected.mean(0)
    return np.linalg.norm(features - expected) / np.linalg.norm(expected)


@pytest.mark.slow
def test_patentnet_meets_the_reference_with_and_without_whitening(filling, reference_state, reference_features, tmp_path):
    for depth, dim, key in ((18, 0, "resnet18_rmac_gem"), (50, 2048, "resnet50_rmac_fc")):
        torch.save({"state_dict": reference_state(f"patentnet.resnet{depth}_rmac")}, tmp_path / "patentnet.pt")
        settings = {"MODEL.BACKBONE.TIMM_NAME": f"resnet{depth}", "MODEL.HEADS.EMBEDDING_DIM": dim}
        model = network(256, {**PATENTNET, **settings})
        report = load_weights(model, tmp_path / "patentnet.pt")
        assert not report.missing and not report.reshaped
        assert report.unexpected == ([] if dim else ["heads.fc.weight", "heads.fc.bias"])
        assert error(model, filling.drawings(4, 256), reference_features("patentnet", key)) < 1e-4


@pytest.mark.slow
def test_higuchis_network_meets_the_reference(filling, reference_state, reference_features, tmp_path):
    torch.save(reference_state("higuchi_swinv2"), tmp_path / "higuchi.pth")
    model = network(384, HIGUCHI)
    report = load_weights(model, tmp_path / "higuchi.pth")
    assert report.missing == ["heads.weight"] and not report.unexpected and not report.reshaped
    assert error(model, filling.drawings(2, 384), reference_features("higuchi_swinv2", "features_384")) < 1e-4
