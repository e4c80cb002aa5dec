"""Labelled lists in every layout, and the released ones."""

import re
import shutil
import time

import pytest

from fastpatent.data.datasets import DATASETS
from fastpatent.data.lists import listed_samples, read_lines
from fastpatent.data.records import Sample
from fastpatent.errors import ConfigError, DataError


def test_every_layout(tmp_path, write_drawing, write_list, cfg):
    for lists in ["train_data", "data", "."]:
        for drawings in ["train_data/patent_data", "patent_data", "train_data", ".", "images"]:
            root = tmp_path / f"{lists} {drawings}".replace("/", "-")
            for number, name in enumerate(("I1/USD1/a.png", "I1/USD1/b.png", "I1/USD2/a.png")):
                write_drawing(root / drawings / name, number)
            write_list(root / lists / "train_patent_trn.txt", ["I1/USD1/a.png 1", "I1/USD2/a.png 2"])
            write_list(root / lists / "val_query_patent.txt", ["I1/USD1/a.png 1"])
            write_list(root / lists / "val_db_patent.txt", ["I1/USD1/b.png 1"])
            cfg.DATASETS.ROOT = str(root)
            splits = DATASETS.get("Patent")(cfg)
            assert splits.name == "Patent" and splits.stage == "val", f"{lists=}, {drawings=}"
            assert [sample.identity for sample in splits.train] == ["USD1", "USD2"], f"{lists=}, {drawings=}"
            assert splits.query == [Sample(str(root / drawings / "I1/USD1/a.png"), "USD1")], f"{lists=}, {drawings=}"
            assert splits.gallery == [Sample(str(root / drawings / "I1/USD1/b.png"), "USD1")], f"{lists=}, {drawings=}"


def test_the_pair_that_fits_is_taken(tmp_path, write_drawing, write_list, cfg):
    """Two folders hold lists; only those in data/ match the images."""
    write_drawing(tmp_path / "images/L1/x.png", 0)
    write_list(tmp_path / "train_data/train_patent_trn.txt", ["I9/USD9/gone.png 1"])
    write_list(tmp_path / "data/train_patent_trn.txt", ["L1/x.png 1"])
    cfg.DATASETS.ROOT = str(tmp_path)
    assert DATASETS.get("Patent")(cfg, parts=("train",)).train == [Sample(str(tmp_path / "images/L1/x.png"), "L1")]


def test_a_missing_first_drawing_does_not_hide_the_folder(patent_cfg, patent_root):
    (patent_root / "train_data/patent_data/I20180000/USD0000000-20180000/USD0000000-20180000-D00000.png").unlink()
    with pytest.raises(DataError, match=r"_trn\.txt:1: no such drawing: .*/patent_data/I20180000/.*D00000\.png$"):
        DATASETS.get("Patent")(patent_cfg)
    train = DATASETS.get("Patent")(patent_cfg, verify=False).train
    assert len(train) == 24 and "/train_data/patent_data/" in train[0].path


def test_parts_that_are_not_asked_for_are_not_needed(patent_cfg, patent_root):
    (patent_root / "train_data/train_patent_trn.txt").unlink()
    splits = DATASETS.get("Patent")(patent_cfg, parts=("query", "gallery"))
    assert (len(splits.train), len(splits.query), len(splits.gallery)) == (0, 3, 9)
    assert DATASETS.get("Patent")(patent_cfg) == splits
    with pytest.raises(DataError, match=r"Patent: no list train_patent_trn\.txt in .*/train_data or .*/data or "):
        DATASETS.get("Patent")(patent_cfg, parts=("train",))
    with pytest.raises(ConfigError, match="DeepPatentTest has no train drawings"):
        DATASETS.get("DeepPatentTest")(patent_cfg, parts=("train",))


def test_test_lists(patent_cfg, patent_root):
    splits = DATASETS.get("DeepPatentTest")(patent_cfg)
    assert (splits.stage, len(splits.train), len(splits.query), len(splits.gallery)) == ("test", 0, 3, 9)
    lists = patent_root / "train_data"
    shutil.copy(lists / "val_db_patent.txt", lists / "test_db_patent_extended.txt")
    assert len(DATASETS.get("DeepPatentTestExtended")(patent_cfg).gallery) == 9
    with pytest.raises(DataError, match="DeepPatentTestPlain: none of test_query_plain.txt, test_db_plain.txt in "):
        DATASETS.get("DeepPatentTestPlain")(patent_cfg)


def test_the_other_hand_adds_drawings_to_the_identities_of_training(patent_cfg, patent_root):
    lists = patent_root / "train_data"
    with pytest.raises(DataError, match="PatentBothHands: no list train_other_hand.txt"):
        DATASETS.get("PatentBothHands")(patent_cfg, parts=("train",))
    first = (lists / "train_patent_trn.txt").read_text().splitlines()[0]
    (lists / "train_other_hand.txt").write_text(first + "\n")
    alone, both = (DATASETS.get(name)(patent_cfg) for name in ("Patent", "PatentBothHands"))
    assert both.train == alone.train + alone.train[:1]
    assert (both.query, both.gallery, both.stage) == (alone.query, alone.gallery, "val")
    assert DATASETS.get("PatentBothHands")(patent_cfg, parts=("query",)).train == []


def test_an_empty_list_is_named(patent_cfg, patent_root):
    (patent_root / "train_data/val_db_patent.txt").write_text("\n\n")
    with pytest.raises(DataError, match=r"val_db_patent\.txt: the list is empty"):
        DATASETS.get("Patent")(patent_cfg)
    assert DATASETS.get("Patent")(patent_cfg, verify=False).gallery == []


def test_unknown_names_get_the_nearest():
    with pytest.raises(ConfigError, match="DATASETS.NAMES: no dataset is called 'Patnet'; did you mean Patent"):
        DATASETS.get("Patnet")


def test_multiview(shared, cfg):
    for name, train, query, gallery, query_identities, gallery_identities in [
        ("Patent", 27221, 1008, 3017, 504, 504),
        ("PatentBothHands", 27221 + 13628, 1008, 3017, 504, 504),
        ("DeepPatentTest", 0, 2205, 6610, 1103, 1103),
        ("DeepPatentTestPlain", 0, 2205, 6610, 1103, 1103),
        ("DeepPatentTestExtended", 0, 2205, 10635, 1103, 1607),
    ]:
        cfg.DATASETS.ROOT = str(shared / "multiview")
        splits = DATASETS.get(name)(cfg)
        assert (len(splits.train), len(splits.query), len(splits.gallery)) == (train, query, gallery), f"{name=}"
        assert len({sample.identity for sample in splits.query}) == query_identities, f"{name=}"
        assert len({sample.identity for sample in splits.gallery}) == gallery_identities, f"{name=}"
        assert len({sample.identity for sample in splits.train}) == (3407 if train else 0), f"{name=}"


def test_deeppatent_lists_without_their_drawings(shared, cfg):
    cfg.DATASETS.ROOT = str(shared / "deeppatent")
    start = time.monotonic()
    splits = DATASETS.get("DeepPatentTest")(cfg, verify=False)
    assert (len(splits.query), len(splits.gallery)) == (13133, 38834)
    assert {sample.identity for sample in splits.query} == {sample.identity for sample in splits.gallery}
    assert len({sample.identity for sample in splits.query}) == 6927
    assert all(re.fullmatch(r"USD\d{7}-\d{8}", sample.identity) for sample in splits.gallery)
    first = "I20181127/USD0834581-20181127/USD0834581-20181127-D00001.png"
    with pytest.raises(DataError, match=rf"test_query_patent\.txt:1: no drawing {first} in .*/patent_data or "):
        DATASETS.get("DeepPatentTest")(cfg)
    path = shared / "deeppatent/test_db_patent.txt"
    with pytest.raises(DataError, match=r"test_db_patent\.txt:1: no such drawing"):
        listed_samples(read_lines(path), path, shared / "deeppatent")
    assert time.monotonic() - start < 5
