"""Published networks on real sheets, through the command and its configurations, against the reference."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

from fastpatent.commands import main

pytestmark = pytest.mark.slow

DERIVED = ("relative_position_index", "relative_coords_table", "attn_mask")  # buffers that a network fills by itself


class System(NamedTuple):
    """A configuration, a published checkpoint with its key for the parameters, stored features, and how many to compare."""

    config: str
    weights: str
    under: str
    stored: str
    key: str
    sheets: int
    settings: tuple[str, ...] = ()


CHALLENGE = "patent/sbs_R101-ibn_patent_test", "dira_r101_ibn_nl", "model", "sheets_dira"
PATENTNET = "patentnet/resnet50_test", "patentnet.resnet50_rmac", "state_dict", "sheets_patentnet"
HIGUCHI = "swin/swinv2_arcface_384_test", "higuchi_swinv2", "state_dict", "sheets_higuchi"
SYSTEMS = [
    pytest.param(System(*CHALLENGE, "features", 2), id="challenge"),
    pytest.param(System(*CHALLENGE, "features_flip_mean", 1, ("TEST.FLIP.ENABLED", "True")), id="challenge, mirrored"),
    pytest.param(System(*PATENTNET, "features_native", 1), id="PatentNet"),
    pytest.param(System(*PATENTNET, "features_short256", 2, ("INPUT.FIT", "shorter")), id="PatentNet, shorter side 256"),
    pytest.param(System(*HIGUCHI, "features", 1), id="SwinV2 + ArcFace"),
]


@pytest.fixture(scope="module")
def checkpoint(reference_state, tmp_path_factory):
    """Function of a published checkpoint and its key for the parameters: a file with the published names."""
    folder = tmp_path_factory.mktemp("released")

    def make(name, under):
        path = folder / f"{name}.pth"
        if not path.exists():
            state = {key: value for key, value in reference_state(name).items() if not key.endswith(DERIVED)}
            torch.save({under: state, "epoch": 89}, path)
        return path

    return make


@pytest.mark.parametrize("system", SYSTEMS)
def test_features_of_real_sheets_meet_the_reference(system, checkpoint, shared, reference_features, repository, tmp_path):
    stored = reference_features(system.stored, system.key)
    centre, expected = stored.mean(0), stored[-system.sheets :]  # all features have one large part in common
    paths = reference_features(system.stored, "paths")[-system.sheets :]
    folder, output = tmp_path / "sheets", tmp_path / "features.npz"
    folder.mkdir()
    for number, path in enumerate(paths):
        (folder / f"{number}.TIF").symlink_to(shared / path)
    command = ["extract", "--config-file", str(repository / "configs" / f"{system.config}.yml"), "--images", str(folder)]
    command += ["--output", str(output), "MODEL.WEIGHTS", str(checkpoint(system.weights, system.under))]
    command += ["DATASETS.FOLLOW_LINKS", "True"]
    assert main([*command, *system.settings, "MODEL.DEVICE", "cpu", "DATALOADER.NUM_WORKERS", "0"]) == 0
    with np.load(output) as found:
        rows = np.linalg.norm(found["features"] - expected, axis=1) / np.linalg.norm(expected - centre, axis=1)
    assert len(rows) == system.sheets and rows.max() < 1e-3
