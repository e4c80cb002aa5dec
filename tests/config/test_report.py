"""What differs from the defaults, YAML that loads back to the same configuration, and what each key means."""

import pytest
import yaml

from fastpatent.config import describe, load_config
from fastpatent.config.key import NONE
from fastpatent.config.keys import KEYS
from fastpatent.config.report import Difference, differences_table, explain, keys_table
from fastpatent.errors import ConfigError
from fastpatent.registry import DESCRIPTORS

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


def test_yaml_loads_back_to_the_same(tmp_path):
    for overrides in ([], [word for pair in UNUSUAL.items() for word in pair]):
        cfg = load_config(overrides=overrides)
        path = tmp_path / "merged.yml"
        path.write_text(describe(cfg).yaml, encoding="utf-8")
        assert load_config(path) == cfg


def test_yaml_of_a_list_that_two_keys_share_loads_back(tmp_path):
    cfg = load_config().clone()
    cfg.defrost()
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = [32, 32]
    (tmp_path / "merged.yml").write_text(describe(cfg).yaml)
    assert load_config(tmp_path / "merged.yml") == cfg


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


def test_a_key_is_explained():
    assert explain("TEST.RERANK.LAMBDA") == (
        "TEST.RERANK.LAMBDA\n"
        "  default         0.3\n"
        "  meaning         weight of the original distance\n"
        "  valid           between 0 and 1\n"
        "  features        do not depend on it\n"
        "  fast-reid       yes\n"
        "  resumed run     another value takes effect"
    )
    lines = explain("TEST.SCALES").splitlines()
    assert lines[1].split() == ["default", "[1.0]"] and lines[4:] == [
        "  features        decided by it",
        "  fast-reid       no",
        "  resumed run     another value takes effect",
    ]
    for name, effect in (("SEED", "is refused"), ("MODEL.WEIGHTS", "matters at the start of a run only")):
        assert explain(name).endswith(f"another value {effect}")
    for name, valid in (
        ("SOLVER.NESTEROV", "True or False"),
        ("MODEL.HEADS.MARGIN", "number"),
        ("TEST.WHITENING.ENABLED", "True or False"),
        ("DATASETS.ROOT", "text"),
        ("MODEL.QUEUE_SIZE", "ignored"),
        ("DESCRIPTOR.NAME", f"a registered descriptor, or '': {', '.join(DESCRIPTORS.names())}"),
    ):
        assert f"  valid           {valid}\n" in explain(name), name


def test_a_section_is_explained_key_by_key():
    blocks = explain("TEST.AQE").split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [name for name in KEYS if name.startswith("TEST.AQE.")]
    assert blocks[1] == explain("TEST.AQE.ALPHA")


def test_an_unknown_key_is_explained_by_the_nearest():
    with pytest.raises(ConfigError) as caught:
        explain("TEST.AQ")
    assert str(caught.value) == "TEST.AQ is no key; did you mean TEST.AQE?"


def test_the_table_has_a_row_for_every_key():
    text = keys_table()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(KEYS) and len(set(KEYS)) == len(rows)
    for row, key in zip(rows, KEYS.values()):
        name, default, meaning, valid, decides = (cell.strip() for cell in row.strip("|").split("|"))
        assert (decides == "features") == (key.features != NONE), row
        assert name.endswith("*") == (not key.ours) and meaning == key.meaning and valid, row
        assert default.strip("`") != "" and (valid == "ignored") == key.ignored, row
    headings = [line.removeprefix("### ") for line in text.splitlines() if line.startswith("###")]
    assert headings == ["General", *dict.fromkeys(name.split(".")[0] for name in KEYS if "." in name)]
