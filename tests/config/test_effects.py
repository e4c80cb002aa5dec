"""Settings that another key switches off are named, those of the package's own components only."""

from functools import reduce

import pytest
import yaml

import fastpatent
from fastpatent.config import describe, load_config
from fastpatent.config.effects import SWITCHES, without_effect
from fastpatent.config.keys import KEYS
from fastpatent.registry import CLASSIFIERS


def found(*words):
    """{key: why it has no effect} of settings on the command line."""
    return dict(without_effect(load_config(overrides=words), words[::2]))


def test_each_pair_is_named_on_the_side_without_effect():
    for words, expected in (
        (("INPUT.REA.PROB", "0.3"), {"INPUT.REA.PROB": "INPUT.REA.ENABLED is False"}),
        (("INPUT.AUTOAUG.ENABLED", "True"), {"INPUT.AUTOAUG.ENABLED": "INPUT.AUTOAUG.PROB is 0"}),
        (("TEST.AQE.QE_K", "9", "TEST.AQE.ENABLED", "True"), {}),
        (("TEST.AQE.QE_K", "9", "TEST.AQE.ENABLED", "False"), {}),  # parked on purpose
        (("SOLVER.ETA_MIN_LR", "1e-9"), {"SOLVER.ETA_MIN_LR": "SOLVER.SCHED is MultiStepLR"}),
        (("SOLVER.FREEZE_ITERS", "9"), {"SOLVER.FREEZE_ITERS": "MODEL.FREEZE_LAYERS is empty"}),
        (("MODEL.FREEZE_LAYERS", "[backbone]", "SOLVER.FREEZE_ITERS", "9"), {}),
        (("MODEL.LOSSES.TRI.MARGIN", "0.1"), {"MODEL.LOSSES.TRI.MARGIN": "MODEL.LOSSES.NAME is CrossEntropyLoss"}),
        (
            ("MODEL.BACKBONE.DEPTH", "18x", "MODEL.BACKBONE.NAME", "timm"),
            {"MODEL.BACKBONE.DEPTH": "MODEL.BACKBONE.NAME is timm"},
        ),
        (("INPUT.PADDING.VALUE", "255"), {}),  # it fills what a rotation uncovers too
        (("SOLVER.GAMMA", "0.1", "SOLVER.SCHED", "CosineAnnealingLR"), {}),  # its default
    ):
        assert found(*words) == expected, words


def test_every_switch_and_its_values_exist():
    for name, (switch, values) in SWITCHES.items():
        assert name in KEYS or any(key.startswith(f"{name}.") for key in KEYS), name
        for value in values:
            assert not KEYS[switch].rule.complaint(value), value


def test_a_component_from_outside_may_read_any_key(monkeypatch):
    monkeypatch.setattr(CLASSIFIERS, "_components", CLASSIFIERS.all())
    fastpatent.register("classifier", name="Mine")(lambda cfg: None)
    assert found("MODEL.HEADS.MARGIN", "0.3") and not found("MODEL.HEADS.MARGIN", "0.3", "MODEL.HEADS.CLS_LAYER", "Mine")


def test_the_configuration_that_a_run_has_written_is_no_mistake_of_the_user(tmp_path, caplog):
    (tmp_path / "config.yaml").write_text(describe(load_config(overrides=["INPUT.REA.PROB", "0.3"])).yaml)
    caplog.clear()
    load_config(tmp_path / "config.yaml")
    assert not caplog.records
    load_config(tmp_path / "config.yaml", ["INPUT.BLUR.PROB", "0.3"])
    assert "INPUT.BLUR.PROB (command line)" in caplog.text and "REA" not in caplog.text


def test_what_a_base_sets_is_not_blamed_on_the_file_that_inherits_it(tmp_path, caplog):
    (tmp_path / "base.yml").write_text("SOLVER: {STEPS: [3], GAMMA: 0.5}\n")
    (tmp_path / "own.yml").write_text("_BASE_: base.yml\nSOLVER: {SCHED: CosineAnnealingLR}\nINPUT: {REA: {PROB: 0.3}}\n")
    load_config(tmp_path / "own.yml")
    (record,) = caplog.records
    place = f"{tmp_path}/own.yml:3"
    assert record.getMessage() == f"these settings have no effect: INPUT.REA.PROB ({place}): INPUT.REA.ENABLED is False"


@pytest.mark.parametrize(
    "key", ["OUTPUT_DIR", "DATASETS.ROOT", "MODEL.WEIGHTS", "MODEL.BACKBONE.PRETRAIN_PATH", "DATASETS.PACKS"]
)
def test_paths_expand_alike_in_files_and_on_the_command_line(key, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("RUN", "7")
    written = reduce(lambda value, part: {part: value}, reversed(key.split(".")), "~/x/${RUN}/$RUN")
    (tmp_path / "a.yml").write_text(yaml.safe_dump(written))
    for cfg in (load_config(tmp_path / "a.yml"), load_config(overrides=[key, "~/x/${RUN}/$RUN"])):
        node = cfg
        for part in key.split("."):
            node = node[part]
        assert node == "/home/me/x/7/7"
