"""Mutual nearest patches, against a loop in float64, and of a drawing that is shifted."""

import numpy as np
import pytest
import torch
from PIL import Image

from fastpatent.config import load_config
from fastpatent.data.records import Sample
from fastpatent.evaluation.analysis.regions import match_patches, region_matches
from fastpatent.models import build_model
from fastpatent.models.network import Network

SETTINGS = [
    "INPUT.SIZE_TEST",
    "[32,48]",
    "MODEL.BACKBONE.DEPTH",
    "18x",
    "MODEL.HEADS.NUM_CLASSES",
    "2",
    "MODEL.DEVICE",
    "cpu",
]


def sheet(seed, height=24, width=32):
    """uint8 [1, height, width]: ink in some of the 4 x 4 pixel patches."""
    rng = np.random.default_rng(seed)
    ink = np.kron(rng.random((height // 4, width // 4)) < 0.6, np.ones((4, 4)))
    return torch.from_numpy(np.where(ink, 0, 255).astype(np.uint8))[None]


def test_matches_are_mutual_nearest_patches_with_ink():
    generator = torch.Generator().manual_seed(0)
    images, maps = (sheet(1), sheet(2)), torch.randn(2, 5, 6, 8, generator=generator)
    found = match_patches(images[0], maps[0], images[1], maps[1], most=99)

    def patches(image, features):
        for y in range(6):
            for x in range(8):
                if (image[0, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4] < 128).any():
                    vector = features[:, y, x].double().numpy()
                    yield (4 * x + 2.0, 4 * y + 2.0), vector / np.linalg.norm(vector)

    one, two = (list(patches(*side)) for side in zip(images, maps))
    cosine = np.array([[a @ b for _, b in two] for _, a in one])
    expected = {
        (one[i][0], two[j][0]): cosine[i, j]
        for i in range(len(one))
        for j in range(len(two))
        if cosine[i, j] == cosine[i].max() == cosine[:, j].max()
    }
    assert {(match.first, match.second): match.cosine for match in found} == pytest.approx(expected, abs=1e-5)
    assert [match.cosine for match in found] == sorted((match.cosine for match in found), reverse=True)
    assert match_patches(images[0], maps[0], images[1], maps[1], most=3) == found[:3]
    assert match_patches(torch.full((1, 24, 32), 255), maps[0], images[1], maps[1]) == []  # no ink


def test_a_network_matches_a_drawing_with_itself_and_skips_what_cannot_be_read(tmp_path):
    Image.fromarray(sheet(3, 64, 96)[0].numpy()).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    own, broken = (Sample(str(tmp_path / name), None) for name in ("a.png", "b.png"))
    cfg = load_config(overrides=SETTINGS)
    torch.manual_seed(0)
    network = build_model(cfg).eval()
    found, nothing = region_matches(network, cfg, [(own, own), (own, broken)], torch.device("cpu"))
    assert nothing is None and found.first.shape == (32, 48) and found.matches
    assert all(match.first == match.second and match.cosine == pytest.approx(1, abs=1e-5) for match in found.matches)
    assert region_matches(Network(), cfg, [(own, own)], torch.device("cpu")) == []  # without maps
