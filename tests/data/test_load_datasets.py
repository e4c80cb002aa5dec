"""Joining the data sets that a configuration names."""

import pytest

from fastpatent.data.load_datasets import load_test_set, load_training_set
from fastpatent.errors import ConfigError, DataError


def test_training_set(patent_cfg):
    samples = load_training_set(patent_cfg)
    assert len(samples) == 24 and samples[0].identity == "USD0000000-20180000"
    assert len({sample.identity for sample in samples}) == 6


def test_combineall_adds_queries_and_gallery(patent_cfg):
    patent_cfg.DATASETS.COMBINEALL = True
    samples = load_training_set(patent_cfg)
    assert len(samples) == len({sample.path for sample in samples}) == 36
    assert len({sample.identity for sample in samples}) == 9


def test_joined_sets_keep_their_identities_apart(patent_cfg):
    patent_cfg.DATASETS.NAMES = ("Patent", "Drawings")
    samples = load_training_set(patent_cfg)
    names = {sample.identity.split("/")[0] for sample in samples}
    assert names == {"Patent", "Drawings"}
    patents = [sample for sample in samples if sample.identity.startswith("Patent/")]
    assert len(patents) == 24 and {sample.identity.count("/") for sample in patents} == {1}


def test_sets_that_cannot_be_trained_on_are_refused(patent_cfg, patent_root):
    for names, error, message in (
        ((), ConfigError, "no data set is named"),
        (("DeepPatentTest",), ConfigError, "DeepPatentTest has no train drawings"),
        (("Market1501",), ConfigError, "no dataset is called 'Market1501'"),
    ):
        patent_cfg.DATASETS.NAMES = names
        with pytest.raises(error, match=message):
            load_training_set(patent_cfg)


def test_test_set(patent_cfg):
    splits = load_test_set(patent_cfg, "DeepPatentTest")
    assert (splits.name, len(splits.query), len(splits.gallery)) == ("DeepPatentTest", 3, 9)


def test_a_set_without_a_query_is_refused(tmp_path, cfg, write_drawing):
    for number in range(4):
        write_drawing(tmp_path / f"design{number}/only.png", number)
    cfg.DATASETS.ROOT = str(tmp_path)
    with pytest.raises(DataError, match="Drawings below .* has no query; an identity needs two drawings"):
        load_test_set(cfg, "Drawings")
