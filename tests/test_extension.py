"""A backbone, a loss, a data set, a metric and a sampler from outside the package: the files of CONTRIBUTING.md."""

import re
from pathlib import Path

import pytest
import torch

from tests.forked import run_python
from tests.polygons import write_designs

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"
FILES = dict(re.findall(r"```python\n# (my_\w+\.py).*?\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL))
SETTINGS = {
    "MODEL.BACKBONE.NAME": "my_backbone",
    "MODEL.LOSSES.NAME": "('MyLoss', 'CrossEntropyLoss')",
    "DATASETS.NAMES": "('MyDesigns',)",
    "DATASETS.TESTS": "('MyDesigns',)",
    "DATALOADER.SAMPLER_TRAIN": "MySampler",
    "TEST.BEST_METRIC": "my_rank",
    "INPUT.SIZE_TRAIN": "[32, 32]",
    "INPUT.SIZE_TEST": "[32, 32]",
    "SOLVER.IMS_PER_BATCH": "8",
    "SOLVER.MAX_EPOCH": "2",
    "TEST.EVAL_PERIOD": "1",
    "MODEL.DEVICE": "cpu",
    "DATALOADER.NUM_WORKERS": "0",
    "OUTPUT_DIR": "run",
}


@pytest.fixture
def train(tmp_path):
    """A function of settings that trains in a process of its own, which imports the files; returns the process."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    write_designs(tmp_path / "designs", 8, size=32, seed=0)

    def train(**changed):
        settings = SETTINGS | {"DATASETS.ROOT": "designs"} | changed
        words = [word for pair in settings.items() for word in pair]
        return run_python(tmp_path, "my_train.py", *words)

    return train


def test_five_files_train_a_network(train, tmp_path):
    done = train()
    assert done.returncode == 0, done.stderr
    assert len(FILES) == 6
    assert "training set  MyDesigns" in done.stdout and "my_rank" in done.stdout  # a column of the table of metrics
    best = torch.load(tmp_path / "run" / "model_best.pth", weights_only=True)
    assert "backbone.conv.weight" in best["model"] and best["metric"] >= 1  # the rank of the first relevant image
    assert f"best my_rank {best['metric']:.4f}" in done.stdout


def test_a_misspelt_component_is_reported_with_the_nearest_name(train):
    done = train(**{"MODEL.LOSSES.NAME": "('MyLos',)"})
    assert done.returncode == 1
    assert done.stderr == "error: command line: MODEL.LOSSES.NAME no loss is called 'MyLos'; did you mean MyLoss?\n"
