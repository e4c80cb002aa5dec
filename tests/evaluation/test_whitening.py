"""Which training drawings whitening learns from, and what is said where they are too few."""

import numpy as np
import pytest

from fastpatent.config import load_config
from fastpatent.data.load_datasets import load_training_set
from fastpatent.errors import ConfigError
from fastpatent.evaluation.whitening import training_whitening, whitening_set


def config(folder, *words):
    given = ["DATASETS.ROOT", str(folder), "DATASETS.NAMES", "('Drawings',)", "DATASETS.DRAWINGS.VAL_FRACTION", "0.25"]
    return load_config(overrides=[*given, *words])


@pytest.mark.parametrize(
    "drawings, expected", [(12, range(0, 36, 3)), (36, range(36)), (1000, range(36)), (5, [0, 7, 14, 21, 28])]
)
def test_drawings_are_chosen_evenly(listed_folder, drawings, expected):
    cfg = config(listed_folder, "TEST.WHITENING.DRAWINGS", str(drawings))
    samples, splits = load_training_set(cfg), whitening_set(cfg)
    assert len(samples) == 36 and splits.gallery == [samples[place] for place in expected]
    assert splits.name == "Drawings-whitening" and not splits.query and not splits.train


def test_it_is_learned_on_rows_of_length_1(listed_folder):
    cfg = config(listed_folder, "TEST.WHITENING.DIM", "3")
    rng = np.random.default_rng(0)
    directions, lengths = rng.standard_normal((36, 6)), rng.uniform(1, 100, (36, 1))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    found = training_whitening(cfg, 6, lambda splits: (directions * lengths).astype(np.float32))
    assert found.projection.shape == (6, 3)
    np.testing.assert_allclose(found.mean, directions.mean(0), atol=1e-6)


@pytest.mark.parametrize(
    "words, said",
    [
        (["TEST.WHITENING.DIM", "7"], "TEST.WHITENING.DIM is 7, but the features have only 6"),
        (["TEST.WHITENING.DIM", "5", "TEST.WHITENING.DRAWINGS", "4"], r"there are 4 \(DATASETS.NAMES has 36"),
    ],
)
def test_too_many_dimensions_are_refused_before_anything_is_extracted(listed_folder, words, said):
    with pytest.raises(ConfigError, match=said):
        training_whitening(config(listed_folder, *words), 6, None)
