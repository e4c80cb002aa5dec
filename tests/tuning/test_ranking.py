"""Sweeps that only rank: the figures of `fastpatent test` under the same settings, from features that are extracted once."""

from pathlib import Path

import pytest
import torch

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.config.in_use import load_config_in_use
from fastpatent.data.load_datasets import load_test_sets
from fastpatent.evaluation import extractor
from fastpatent.evaluation.pipeline import Pipeline
from tests.polygons import write_designs

SET = [
    "DATASETS.NAMES", "[Drawings]", "DATASETS.TESTS", "[Drawings]", "DATASETS.ROOT", "designs", "MODEL.DEVICE", "cpu",
    "DATASETS.DRAWINGS.VAL_FRACTION", "0.9",
    "INPUT.SIZE_TEST", "[32,32]", "DATALOADER.NUM_WORKERS", "0", "OUTPUT_DIR", "run",
]  # fmt: skip
SPACE = """\
TEST.AQE.QE_K: [1, 4]
TEST.RERANK.ENABLED: [true, false]
TEST.SCALES: [[1.0], [1.0, 1.5]]
"""


@pytest.fixture
def extracted(write_space, monkeypatch):
    """The names of the data sets whose features were extracted, in a folder of small designs."""
    write_designs(Path("designs"), 8, size=32)
    names, embed = [], extractor.NetworkExtractor.embed_images
    monkeypatch.setattr(
        extractor.NetworkExtractor,
        "embed_images",
        lambda self, samples, name, broken=None: names.append(name) or embed(self, samples, name, broken),
    )
    return names


def measured(overrides):
    """What `fastpatent test` measures."""
    cfg = load_config_in_use("default", [*SET, "TEST.CACHE_FEATURES", "False", *overrides])
    return Pipeline(cfg, torch.device("cpu")).evaluate(load_test_sets(cfg)[0], every=False).summary["mAP"]


def test_every_trial_is_what_a_test_measures(extracted, write_space, capfd):
    words = ["--config-file", "default", "--space", write_space(SPACE), "--sampler", "grid", "--out", "out", *SET]
    words += ["TEST.AQE.ENABLED", "True"]
    assert main(["sweep", *words]) == 0
    assert len(extracted) == 2  # for the two lists of scales
    assert len(list(Path("out/features").glob("*/features/Drawings.npy"))) == 2
    lines = [line for line in Path("out/log.txt").read_text().splitlines() if line.startswith("trial_")]
    assert len(lines) == 8
    for line in lines[::3]:
        settings = line.split("  ")[2].replace(", 1.5", ",1.5").split(", ")
        overrides = ["TEST.AQE.ENABLED", "True", *(word for setting in settings for word in setting.split())]
        overrides[overrides.index("TEST.SCALES") + 1] = f"[{overrides[overrides.index('TEST.SCALES') + 1]}]"
        assert line.split()[2] == f"{measured(overrides):.4f}"
    best = load_config("out/best.yml")
    assert best.TEST.AQE.ENABLED and best.MODEL.WEIGHTS == load_config("default").MODEL.WEIGHTS
    extracted.clear()
    capfd.readouterr()
    assert main(["sweep", *words]) == 0 and not extracted  # all is done
    assert main(["test", "--config-file", "out/best.yml"]) == 0
    assert lines and f"{max(float(line.split()[2]) for line in lines):.4f}" in capfd.readouterr().out


def test_features_of_an_earlier_test_are_used(extracted, write_space):
    assert main(["test", "--config-file", "default", "--compare", "", *SET]) == 0
    assert extracted == ["Drawings"]
    words = ["--space", write_space("TEST.RERANK.K1: {low: 2, high: 9}"), "--trials", "3", "TEST.RERANK.ENABLED", "True"]
    assert main(["sweep", "--config-file", "default", *words[:4], *SET, *words[4:]]) == 0
    assert extracted == ["Drawings"] and len(Path("run/sweep/index.html").read_text().split("<td>finished</td>")) == 4


def test_what_cannot_be_ranked_is_one_sentence(extracted, write_space, capfd):
    words = [
        "sweep",
        "--config-file",
        "default",
        "--space",
        write_space("TEST.METRIC: [cosine, euclidean]"),
        "--sampler",
        "grid",
    ]
    assert main([*words, "--seeds", "1", *SET]) == 1
    assert capfd.readouterr().err == "error: --seeds: nothing is random in a space of keys that only rank\n"
    assert main([*words, *SET, "TEST.BEST_METRIC", "T2I-R@1"]) == 1
    assert "none of 2 trials has finished; trial 0: no T2I-R@1 of Drawings was measured" in capfd.readouterr().err
