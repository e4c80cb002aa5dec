"""Texts and classes from tables by identity, for any data set."""

import csv
import datetime

import pytest

from fastpatent.data.load_datasets import load_test_set, load_training_set
from fastpatent.errors import ConfigError, DataError
from fastpatent.files import Ledger
from fastpatent.uspto.metadata import write_metadata

HEADER = "patent,title,kind\n"


@pytest.fixture
def table(patent_cfg, patent_root):
    """Function (text) that writes table.csv with columns patent, title and kind, and returns a cfg that uses it."""

    def write(text):
        (patent_root / "table.csv").write_text(text, encoding="utf-8")
        patent_cfg.DATASETS.CAPTIONS.TABLE.FILE = "table.csv"
        patent_cfg.DATASETS.CAPTIONS.TABLE.IDENTITY = "patent"
        patent_cfg.DATASETS.CAPTIONS.TABLE.CLASS = "kind"
        return patent_cfg

    return write


def name(number):
    return f"USD{number:07d}-2018{number:04d}"


def rows(numbers):
    return HEADER + "".join(f"{name(number)},Title {number},D{number + 1}/100\n" for number in numbers)


def test_every_drawing_takes_the_text_of_its_identity(table):
    cfg = table(rows(range(12)))
    skipped = {}
    for sample in load_training_set(cfg, skipped) + load_test_set(cfg, "DeepPatentTest").query:
        number = int(sample.identity[3:10])
        assert (sample.caption, sample.category) == (f"Title {number}", f"D{number + 1}")
    assert not any(skipped.values())


def test_joined_sets_are_captioned_before_they_are_joined(table):
    cfg = table(rows(range(12)))
    cfg.DATASETS.NAMES = ("Patent", "DeepPatentTest")
    cfg.DATASETS.COMBINEALL = False
    with pytest.raises(ConfigError, match="DeepPatentTest has no train drawings"):
        load_training_set(cfg)
    cfg.DATASETS.NAMES = ("Patent", "Patent")
    assert {sample.caption for sample in load_training_set(cfg)} == {f"Title {number}" for number in range(6)}


def test_without_a_table_nothing_changes(patent_cfg):
    assert {(sample.caption, sample.category) for sample in load_training_set(patent_cfg)} == {(None, None)}


def test_identities_without_a_text_are_reported(table, patent_root):
    cfg = table(rows(range(4)) + f"{name(4)},  ,\n{name(2)},again,\n,,\nshort\n")
    skipped = {}
    found = {sample.identity: (sample.caption, sample.category) for sample in load_training_set(cfg, skipped)}
    assert found[name(4)] == found[name(5)] == (None, None) and found[name(2)] == ("Title 2", "D3")
    path = patent_root / "table.csv"
    assert skipped == {
        "malformed row": [f"{path}:9: 1 fields where the first row has 3"],
        "identity twice in the table": [f"{path}:7: {name(2)} was in an earlier row"],
        "without a text": [f"{path}: no title of {name(4)}", f"{path}: no title of {name(5)}"],
    }


def test_missing_columns_are_refused(table):
    for key, column, near in [("IDENTITY", "patnet", "patent"), ("TEXT", "titel", "title"), ("CLASS", "kinds", "kind")]:
        cfg = table(rows(range(12))).clone()
        cfg.DATASETS.CAPTIONS.TABLE[key] = column
        message = rf"DATASETS.CAPTIONS.TABLE.{key}: .*table.csv has no column '{column}'; did you mean {near}\?"
        with pytest.raises(ConfigError, match=message):
            load_training_set(cfg)


def test_a_table_of_other_identities_is_refused(table):
    message = f"its column patent has no identity of Patent, such as {name(0)}; .*TABLE.IDENTITY names"
    with pytest.raises(DataError, match=message):
        load_training_set(table(HEADER + "L1,Title,kind\n"))


def test_the_metadata_of_a_built_data_set(patent_cfg, patent_root):
    empty = dict.fromkeys(("number", "kind", "locarno_edition", "locarno_class"), "")
    records = [
        {
            **empty,
            "patent": name(number),
            "date": datetime.date(2018, 1, 2).isoformat(),
            "title": f"Title {number}",
            "national_classes": [f"D{number + 1}/728", "D2/1"] if number else [],
            "figure_descriptions": ["FIG. 1", "FIG. 2"],
            "cited_patents": [],
            "drawings": [],
        }
        for number in range(12)
    ]
    write_metadata(
        patent_root / "metadata.parquet",
        (("archive", "member", record) for record in records),
        Ledger(patent_root / "written.json"),
    )
    table = patent_cfg.DATASETS.CAPTIONS.TABLE
    table.FILE, table.IDENTITY, table.CLASS = "metadata.parquet", "patent", "national_classes"
    found = {sample.identity: (sample.caption, sample.category) for sample in load_training_set(patent_cfg)}
    assert found == {name(number): (f"Title {number}", f"D{number + 1}" if number else None) for number in range(6)}


def test_a_table_overrides_the_texts_of_the_data_set(patent_cfg, patent_root):
    """The captions of Captioned stay where the table has none."""
    drawings = [f"train_data/patent_data/I2018{n:04d}/{name(n)}/{name(n)}-D00000.png" for n in range(3)]
    (patent_root / "pairs.csv").write_text("filepath,caption\n" + "".join(f"{drawing},own\n" for drawing in drawings))
    (patent_root / "table.csv").write_text(f"id,title\n{name(1)},theirs\n{name(2)},\n")
    patent_cfg.DATASETS.NAMES, patent_cfg.DATASETS.CAPTIONS.TRAIN = ("Captioned",), "pairs.csv"
    patent_cfg.DATASETS.CAPTIONS.TABLE.FILE = "table.csv"
    skipped = {}
    assert [sample.caption for sample in load_training_set(patent_cfg, skipped)] == ["own", "theirs", "own"]
    assert not any(skipped.values())


def test_titles_of_the_multiview_set(shared, cfg):
    cfg.DATASETS.ROOT = str(shared / "multiview")
    cfg.DATASETS.CAPTIONS.TABLE.FILE, cfg.DATASETS.CAPTIONS.TABLE.CLASS = "objects.csv", "category"
    with open(shared / "multiview/objects.csv", encoding="utf-8", newline="") as file:
        objects = {row["id"]: row for row in csv.DictReader(file)}
    splits = load_test_set(cfg, "DeepPatentTest")
    for sample in splits.query + splits.gallery:
        assert sample.caption == objects[sample.identity]["title"].strip()
        assert sample.category == objects[sample.identity]["category"].strip()
    assert not any(splits.skipped.values())
