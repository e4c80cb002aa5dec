"""The challenge's configurations, as released and as ours, build the network whose weights were released."""

import json

import pytest

from fastpatent.config import load_config
from fastpatent.models import build_model, with_classes

NAMES = ("sbs_R101-ibn_patent_256.yml", "sbs_R101-ibn_patent_384.yml", "sbs_R101-ibn_patent_test.yml")


@pytest.mark.parametrize(
    "folder, name", [("tests/fixtures/challenge/patent", name) for name in NAMES] + [("configs/patent", NAMES[0])]
)
def test_the_network_has_the_released_names_and_shapes(folder, name, repository, shared):
    cfg = with_classes(load_config(repository / folder / name), 37)
    state = build_model(cfg).state_dict()
    keys = json.loads((shared / "reference" / "dira_r101_ibn_nl.keys.json").read_text())
    assert {key: list(value.shape) for key, value in state.items()} == {key: shape for key, shape, _ in keys}
