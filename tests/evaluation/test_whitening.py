"""Which training drawings whitening is learned on."""

import pytest

from fastpatent.config import load_config
from fastpatent.data.load_datasets import load_training_set
from fastpatent.errors import ConfigError
from fastpatent.evaluation.whitening import whitening_set


def config(folder, *words):
    given = ["DATASETS.ROOT", str(folder), "DATASETS.NAMES", "('Drawings',)", "DATASETS.DRAWINGS.VAL_FRACTION", "0.25"]
    return load_config(overrides=[*given, *words])


def test_drawings_are_evenly_spaced(listed_folder):
    for drawings, expected in ((12, range(0, 36, 3)), (36, range(36)), (1000, range(36)), (5, [0, 7, 14, 21, 28])):
        cfg = config(listed_folder, "TEST.WHITENING.DRAWINGS", str(drawings))
        samples, splits = load_training_set(cfg), whitening_set(cfg)
        assert len(samples) == 36
        assert splits.gallery == [samples[place] for place in expected], drawings
        assert splits.name == "Drawings-whitening" and not splits.query and not splits.train


def test_more_dimensions_than_drawings_are_refused(listed_folder):
    cfg = config(listed_folder, "TEST.WHITENING.DIM", "5", "TEST.WHITENING.DRAWINGS", "4")
    with pytest.raises(ConfigError, match=r"there are 4 \(DATASETS.NAMES has 36, TEST.WHITENING.DRAWINGS is 4\)"):
        whitening_set(cfg)
