"""Which pictures of a benchmark are written."""

import logging
import sys

import numpy as np
import pytest
from PIL import Image

from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.retrieval import rank_features
from fastpatent.report.benchmark.figures import write_figures


@pytest.fixture
def evaluated(tmp_path):
    """An Evaluation of four queries in twelve drawings."""

    def sample(name, identity):
        Image.fromarray(np.where(np.eye(60, 50) > 0, 0, 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
        return Sample(str(tmp_path / f"{name}.png"), identity)

    query = [sample(f"q{n}", f"patent{n}") for n in range(4)]
    gallery = [sample(f"g{n}", f"patent{n // 3}") for n in range(12)]
    features = np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)
    return rank_features(Features("R7", *np.split(features, [4])), Splits("toy", [], query, gallery))


def test_every_picture_is_written_and_a_skipped_one_is_reported(benchmark, evaluated, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "umap", None)
    caplog.set_level(logging.INFO)
    pictures = write_figures(benchmark, evaluated, tmp_path, 0)
    names = [path.name for _, _, path in pictures]
    assert names == ["growth.png", "gallery_best.png", "gallery_worst.png", "map_t-sne.png"]
    for title, caption, path in pictures:
        assert title and caption.endswith(".") and min(Image.open(path).size) > 100
    (message,) = caplog.messages
    assert message.startswith("UMAP map skipped: ") and "umap-learn" in message


def test_without_distractors_there_are_no_growth_curves(benchmark, evaluated, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    benchmark.sizes = []
    pictures = write_figures(benchmark, evaluated, tmp_path, 0)
    assert "growth.png" not in [path.name for _, _, path in pictures] and not (tmp_path / "growth.png").exists()
