"""Joining the data sets that a configuration names."""

import logging

import pytest

from fastpatent.data.load_datasets import load_test_set, load_test_sets, load_training_set, report_skipped
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


def test_what_cannot_be_trained_on(patent_cfg, patent_root):
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


def test_nothing_to_ask(tmp_path, cfg, write_drawing):
    for number in range(4):
        write_drawing(tmp_path / f"design{number}/only.png", number)
    cfg.DATASETS.ROOT = str(tmp_path)
    with pytest.raises(DataError, match="Drawings below .* has no query; an identity needs two drawings"):
        load_test_set(cfg, "Drawings")


@pytest.fixture
def with_queries(tmp_path, cfg, write_drawing, write_list):
    """Function of folders and identities of queries: configuration of a test set whose gallery is a/2.png of identity 1."""
    for number, name in enumerate(("a/1", "a/2", "b/1", "c/1")):
        write_drawing(tmp_path / f"{name}.png", number)
    write_list(tmp_path / "test_db_patent.txt", ["a/2.png 1"])
    cfg.DATASETS.ROOT, cfg.DATASETS.TESTS = str(tmp_path), ("DeepPatentTest",)

    def write(**identities):
        write_list(tmp_path / "test_query_patent.txt", [f"{name}/1.png {label}" for name, label in identities.items()])
        return cfg

    return write


def test_queries_without_a_match_are_counted_and_named(with_queries, caplog):
    (splits,) = load_test_sets(with_queries(a=1, b=2, c=3))
    assert len(splits.query) == 3
    (record,) = caplog.records
    assert record.levelname == "WARNING" and "DeepPatentTest: 2 queries have no drawing" in record.message
    assert "b/1.png first" in record.message


def test_a_set_in_which_no_query_has_a_match_is_refused(with_queries):
    with pytest.raises(DataError, match="DeepPatentTest: no query.*b/1.png"):
        load_test_sets(with_queries(b=2, c=3))


def test_what_was_skipped_is_reported_by_its_first_cases(caplog):
    caplog.set_level(logging.INFO)
    report_skipped({"damaged": [f"/data/{name}.png: empty" for name in "abcde"], "without a text": []}, "/data")
    assert caplog.messages == [*(f"damaged: {name}.png: empty" for name in "abc"), "damaged: and 2 more"]
