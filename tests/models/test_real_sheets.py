"""Published networks on real sheets, through the command and its configurations, against features computed elsewhere."""

import json

import numpy as np
import pytest
import torch

from fastpatent.commands import main

OWN_VALUES = ("relative_position_index", "relative_coords_table", "attn_mask")  # buffers that a network fills by itself
# Configuration, reference checkpoint, its key inside the file, stored features, their key, and further settings.
SYSTEMS = {
    "challenge": ("patent/sbs_R101-ibn_patent_test", "dira_r101_ibn_nl", "model", "sheets_dira", "features", []),
    "challenge, mirrored": (
        "patent/sbs_R101-ibn_patent_test",
        "dira_r101_ibn_nl",
        "model",
        "sheets_dira",
        "features_flip_mean",
        ["TEST.FLIP.ENABLED", "True"],
    ),
    "PatentNet": (
        "patentnet/resnet50_test",
        "patentnet.resnet50_rmac",
        "state_dict",
        "sheets_patentnet",
        "features_native",
        [],
    ),
    "PatentNet, shorter side 256": (
        "patentnet/resnet50_test",
        "patentnet.resnet50_rmac",
        "state_dict",
        "sheets_patentnet",
        "features_short256",
        ["INPUT.FIT", "shorter"],
    ),
    "SwinV2 + ArcFace": ("swin/swinv2_arcface_384_test", "higuchi_swinv2", "state_dict", "sheets_higuchi", "features", []),
}


@pytest.fixture(scope="module")
def checkpoint(shared, filling, tmp_path_factory):
    """Function of a reference and the key that its authors keep parameters under: a file with the released names."""
    folder, made = tmp_path_factory.mktemp("released"), {}

    def make(name, key):
        if name not in made:
            rows = json.loads((shared / "reference" / f"{name}.keys.json").read_text())
            state = {}
            for parameter, shape, _ in rows:
                value = np.asarray(filling.fill(parameter, shape))
                if parameter.endswith("logit_scale"):
                    value = np.full(shape, 2.3026, np.float32)
                state[parameter] = torch.from_numpy(value)
            state = {parameter: value for parameter, value in state.items() if not parameter.endswith(OWN_VALUES)}
            made[name] = folder / f"{name}.pth"
            torch.save({key: state, "epoch": 89}, made[name])
        return made[name]

    return make


@pytest.mark.parametrize("system", SYSTEMS)
def test_features_of_real_sheets_meet_the_reference(system, checkpoint, shared, repository, tmp_path):
    config, weights, key, stored, wanted, settings = SYSTEMS[system]
    with np.load(shared / "reference" / f"{stored}.npz") as reference:
        expected, paths = reference[wanted], reference["paths"]
    folder = tmp_path / "sheets"
    folder.mkdir()
    for number, path in enumerate(paths):
        (folder / f"{number}.TIF").symlink_to(shared / path)
    output = tmp_path / "features.npz"
    command = ["extract", "--config-file", str(repository / "configs" / f"{config}.yml"), "--images", str(folder)]
    command += ["--output", str(output), "MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", str(checkpoint(weights, key))]
    assert main([*command, *settings, "DATALOADER.NUM_WORKERS", "0"]) == 0
    with np.load(output) as found:
        features = found["features"] - found["features"].mean(0)
    expected = expected - expected.mean(0)
    assert np.linalg.norm(features - expected) < 1e-3 * np.linalg.norm(expected)
    rows = np.linalg.norm(features - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert rows.max() < 1e-3  # each sheet, not only most of them
