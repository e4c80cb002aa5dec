"""A backbone, a loss, a data set, a metric and a sampler from outside the package: one new file each."""

import subprocess
import sys
import textwrap

import pytest
import torch

from tests.polygons import write_designs

FILES = {
    "my_backbone": """
        import torch
        from torch import nn
        import fastpatent

        class Pixels(nn.Module):
            feature_dim, memory_format = 8, torch.contiguous_format

            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 8, 4, 4)

            @property
            def trunk(self):
                return self

            def forward(self, images):
                return self.conv(images)

        @fastpatent.register("backbone", name="my_backbone")
        def build(cfg):
            return Pixels()
    """,
    "my_loss": """
        import fastpatent
        from fastpatent.losses.objective import EMBEDDINGS, Objective

        @fastpatent.register("loss")
        def MyLoss(cfg):
            return Objective("loss_mine", lambda embeddings, labels, past=None: embeddings.square().mean(), EMBEDDINGS)
    """,
    "my_dataset": """
        import fastpatent
        from fastpatent.data.datasets.drawings import split_folder

        @fastpatent.register("dataset")
        def MyDesigns(cfg, parts=None, verify=True):
            splits = split_folder(cfg.DATASETS.ROOT, 0.5, 3)
            splits.name = "MyDesigns"
            return splits
    """,
    "my_metric": """
        import numpy as np
        import fastpatent
        from fastpatent.retrieval.metrics import Metric

        fastpatent.register("metric", name="my_rank")(
            Metric(lambda ranks: np.where(ranks.matched, ranks.first_hit, np.nan), greater_is_better=False)
        )
    """,
    "my_sampler": """
        import numpy as np
        import fastpatent
        from fastpatent.data.samplers import Sampler

        class InOrder(Sampler):
            def __init__(self, count):
                self.pass_length = count

            def indices(self, number):
                return np.arange(self.pass_length)

        @fastpatent.register("sampler")
        def MySampler(cfg, labels, samples):
            return InOrder(len(labels))
    """,
}
TRAIN = f"""
import sys
import {", ".join(FILES)}
from fastpatent.commands import main

sys.exit(main(["train", *sys.argv[1:]]))
"""
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
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    write_designs(tmp_path / "designs", 8, size=32, seed=0)

    def train(**changed):
        settings = SETTINGS | {"DATASETS.ROOT": "designs"} | changed
        words = [word for pair in settings.items() for word in pair]
        return subprocess.run([sys.executable, "-c", TRAIN, *words], cwd=tmp_path, capture_output=True, text=True)

    return train


def test_five_files_train_a_network(train, tmp_path):
    done = train()
    assert done.returncode == 0, done.stderr
    assert "training set  MyDesigns" in done.stdout and "my_rank" in done.stdout  # a column of the table of metrics
    best = torch.load(tmp_path / "run" / "model_best.pth", weights_only=True)
    assert "backbone.conv.weight" in best["model"] and best["metric"] >= 1  # the rank of the first relevant image
    assert f"best my_rank {best['metric']:.4f}" in done.stdout


def test_a_misspelt_component_is_reported_with_the_nearest_name(train):
    done = train(**{"MODEL.LOSSES.NAME": "('MyLos',)"})
    assert done.returncode == 1
    assert done.stderr == "error: command line: MODEL.LOSSES.NAME no loss is called 'MyLos'; did you mean MyLoss?\n"
