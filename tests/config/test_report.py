"""What differs from the defaults, and YAML that loads back to the same configuration."""

import pytest
import yaml

from fastpatent.config import describe, load_config
from fastpatent.config.report import Difference, differences_table

UNUSUAL = {
    "SOLVER.BASE_LR": "3.5e-5",
    "OUTPUT_DIR": "2024",
    "DATASETS.NAMES": "('Patent',)",
    "MODEL.FREEZE_LAYERS": "['backbone']",
    "SOLVER.CLIP_GRADIENTS.NORM_TYPE": "1e999",
    "MODEL.WEIGHTS": "a: 'b' # c",
    "MODEL.DEVICE": "cuda:0",
    "SOLVER.STEPS": "[]",
}


def test_differences_in_the_order_of_the_defaults():
    assert describe(load_config(overrides=["TEST.AQE.ENABLED", "True", "MODEL.DEVICE", "cpu"])).differences == [
        Difference("MODEL.DEVICE", "cpu", "cuda"),
        Difference("TEST.AQE.ENABLED", True, False),
    ]


@pytest.mark.parametrize("overrides", [[], [word for pair in UNUSUAL.items() for word in pair]])
def test_yaml_loads_back_to_the_same(tmp_path, overrides):
    cfg = load_config(overrides=overrides)
    path = tmp_path / "merged.yml"
    path.write_text(describe(cfg).yaml, encoding="utf-8")
    assert load_config(path) == cfg


def test_yaml_is_plain_and_lists_stay_on_one_line():
    text = describe(load_config()).yaml
    assert "  SIZE_TRAIN: [256, 128]\n" in text
    assert yaml.safe_load(text)["DATASETS"]["NAMES"] == ["Market1501"]


def test_table():
    cfg = load_config(overrides=["SOLVER.BASE_LR", "1e-5", "MODEL.FREEZE_LAYERS", "['a', 'b']"])
    lines = differences_table(cfg).splitlines()
    assert [line.split() for line in lines[2:]] == [
        ["MODEL.FREEZE_LAYERS", "a,", "b", "none"],
        ["SOLVER.BASE_LR", "1e-05", "0.0003"],
    ]
    assert differences_table(load_config()) == "every key has its default"
