"""Joining the data sets that a configuration names."""

import logging

import pytest

from fastpatent.data.load_datasets import load_test_set, load_test_sets, load_training_set, read_set, report_skipped
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


def test_the_key_that_names_an_unknown_set_is_blamed(patent_cfg):
    patent_cfg.DATASETS.NAMES, patent_cfg.DATASETS.TESTS = ("Patent",), ("Market1501",)  # the default
    with pytest.raises(ConfigError, match="^DATASETS.TESTS: no dataset is called 'Market1501'.*this is the default"):
        load_test_sets(patent_cfg)
    patent_cfg.DATASETS.NAMES = ("Market1501",)
    for load, key in ((load_test_sets, "DATASETS.TESTS"), (load_training_set, "DATASETS.NAMES")):
        with pytest.raises(ConfigError, match=f"^{key}: no dataset .* as in {key}"):
            load(patent_cfg)
    patent_cfg.DATASETS.NAMES = ("Patnt",)
    with pytest.raises(ConfigError, match="^DATASETS.NAMES: no dataset is called 'Patnt'; did you mean Patent"):
        load_training_set(patent_cfg)
    patent_cfg.DATASETS.TESTS = ()
    assert load_test_sets(patent_cfg, required=False) == []
    with pytest.raises(ConfigError, match="^DATASETS.TESTS is empty"):
        load_test_sets(patent_cfg)


def test_own_drawings_need_their_folder(cfg):
    cfg.DATASETS.ROOT = "datasets"
    with pytest.raises(ConfigError, match="^DATASETS.ROOT: name the folder of your own drawings"):
        read_set(cfg, "Drawings")


def test_test_set(patent_cfg):
    splits = load_test_set(patent_cfg, "DeepPatentTest")
    assert (splits.name, len(splits.query), len(splits.gallery)) == ("DeepPatentTest", 3, 9)


def test_a_set_without_a_query_is_refused(tmp_path, cfg, write_drawing):
    for number in range(4):
        write_drawing(tmp_path / f"design{number}/only.png", number)
    cfg.DATASETS.ROOT = str(tmp_path)
    with pytest.raises(DataError, match="Drawings below .* has no query; an identity needs two drawings"):
        load_test_set(cfg, "Drawings")


def test_test_sets_warn_of_queries_without_a_match(patent_cfg, patent_root, caplog):
    patent_cfg.DATASETS.TESTS = ("Patent", "DeepPatentTest")
    path = patent_root / "train_data/val_db_patent.txt"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "USD0000007" not in line))
    assert [splits.name for splits in load_test_sets(patent_cfg)] == ["Patent", "DeepPatentTest"]
    (message,) = caplog.messages
    assert message.startswith("Patent: 1 queries have no drawing of their identity in the gallery and are excluded ")
    assert "USD0000007" in message and caplog.records[0].levelname == "WARNING"


def test_what_was_skipped_is_reported_or_added(cfg, tmp_path, write_drawing, caplog):
    caplog.set_level(logging.INFO)
    for number in range(8):
        write_drawing(tmp_path / f"design{number % 4}/{number}.png", number)
    (tmp_path / "a.pdf").write_bytes(b"")
    cfg.DATASETS.ROOT, cfg.DATASETS.NAMES, cfg.DATASETS.TESTS = str(tmp_path), ("Drawings",), ("Drawings",)
    skipped = {}
    load_training_set(cfg, skipped)
    load_test_sets(cfg, skipped=skipped)
    assert skipped == {"no image by its name (.pdf)": [str(tmp_path / "a.pdf")]} and caplog.messages == []
    load_test_sets(cfg)
    assert caplog.messages == ["no image by its name (.pdf): a.pdf"]


def test_a_test_set_without_any_match_is_refused(patent_cfg, patent_root):
    lists = patent_root / "train_data"
    (lists / "val_db_patent.txt").write_bytes((lists / "test_db_patent.txt").read_bytes())
    with pytest.raises(
        DataError, match="Patent: no query has a drawing of its identity in the gallery, .*USD0000006.* first"
    ):
        load_test_sets(patent_cfg)


def test_the_first_cases_of_each_fault_are_reported(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    cases = {"malformed row": [f"{tmp_path}/a.csv:{line}" for line in range(5)], "missing sheet": [], "twice": ["b.csv:1"]}
    report_skipped(cases, tmp_path)
    assert caplog.messages == [
        "malformed row: a.csv:0",
        "malformed row: a.csv:1",
        "malformed row: a.csv:2",
        "malformed row: and 2 more",
        "twice: b.csv:1",
    ]
