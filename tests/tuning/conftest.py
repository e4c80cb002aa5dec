import sys
from pathlib import Path

import pytest
import yaml

from fastpatent.commands import main
from fastpatent.config import get_cfg
from fastpatent.retrieval.metrics import METRICS
from fastpatent.tuning.space import read_space
from fastpatent.tuning.study import Study, identity_of
from tests.engine.processes import settings
from tests.polygons import write_designs


@pytest.fixture
def write_space(tmp_path, monkeypatch):
    """Function (text) that writes a space into an empty working directory and returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        Path("space.yml").write_text(text)
        return "space.yml"

    return write


@pytest.fixture
def open_study(write_space):
    """Function (text of a space) that opens a study of it in the folder `study`; each call as another process would."""

    def open_again(text, sampler="grid", most=100, cfg=None, folder="study"):
        space, cfg = read_space(write_space(text)), cfg or get_cfg()
        identity = identity_of(cfg, space, sampler)
        return Study(Path(folder), space, METRICS.get("mAP"), sampler, 0, most, identity)

    return open_again


@pytest.fixture
def sweep(write_space, monkeypatch):
    """Function (text of a space, *words) that runs `fastpatent sweep` with the trainings of training.py; its exit status."""
    write_designs(Path("designs"), 8, size=32)
    base = settings("designs", "logs/run", ["CrossEntropyLoss"])
    base["DATASETS"]["DRAWINGS"]["VAL_FRACTION"] = 0.5
    del base["SOLVER"]["BASE_LR"], base["MODEL"]["LOSSES"]["TRI"]
    Path("base.yml").write_text(yaml.safe_dump(base))
    monkeypatch.setattr("fastpatent.tuning.trial.TRAIN", (sys.executable, str(Path(__file__).with_name("training.py"))))
    monkeypatch.setattr("fastpatent.tuning.sweep.PERIOD", 0.02)

    def run(text, *words):
        return main(["sweep", "--config-file", "base.yml", "--space", write_space(text), "--out", "out", *words])

    return run
