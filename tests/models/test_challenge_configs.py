"""The configurations of the challenge, as released and ours, build the network whose weights were released."""

import torch

from fastpatent.config import load_config
from fastpatent.models import build_model, with_classes

RELEASED = ("sbs_R101-ibn_patent_256.yml", "sbs_R101-ibn_patent_384.yml", "sbs_R101-ibn_patent_test.yml")


def test_the_network_has_the_released_names_and_shapes(repository, reference_keys):
    expected = {key: shape for key, shape, _ in reference_keys("dira_r101_ibn_nl")}
    paths = [f"tests/fixtures/challenge/patent/{name}" for name in RELEASED] + [f"configs/patent/{RELEASED[0]}"]
    for path in paths:
        cfg = with_classes(load_config(repository / path), 37)
        with torch.device("meta"):
            state = build_model(cfg).state_dict()
        assert {key: list(value.shape) for key, value in state.items()} == expected, path
