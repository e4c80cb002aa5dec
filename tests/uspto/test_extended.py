"""The extended database list against sets of lines, and the one distributed with multiview."""

import shutil

import pytest

from fastpatent.data.datasets import DATASETS
from fastpatent.errors import DataError
from fastpatent.uspto.extended import extended_lines, missing_parts, write_extended_list
from tests.small_sets import small_config, write_list

VALIDATION = ("train_patent_val.txt", "val_query_patent.txt", "val_db_patent.txt")


def listed(path):
    """{path: label} of a list file, read independently."""
    return dict(line.rsplit(" ", 1) for line in path.read_text().splitlines())


def copied(folder, target, *names):
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(folder / name, target / name)
    return target


def test_parts_in_order_and_labels_of_the_test_lists(patent_root):
    folder = patent_root / "train_data"
    lines = extended_lines(folder)
    paths, labels = zip(*(line.rsplit(" ", 1) for line in lines))
    parts = [
        listed(folder / f"{name}.txt")
        for name in ("test_db_patent", "val_query_patent", "val_db_patent", "train_patent_trn")
    ]
    assert list(paths) == [path for part in parts for path in part]
    by_patent = {}
    for path, label in zip(paths, labels):
        by_patent.setdefault(path.split("/")[-2], set()).add(int(label))
    assert all(len(found) == 1 for found in by_patent.values())
    assert {label for found in by_patent.values() for label in found} == set(range(1, 13))
    first_of_queries = [path.split("/")[-2] for path in listed(folder / "test_query_patent.txt")]
    assert [by_patent[patent] for patent in first_of_queries] == [{1}, {2}, {3}]


def test_written_list_is_the_gallery_of_the_extended_data_set(patent_root):
    path, count = write_extended_list(patent_root / "train_data")
    cfg = small_config()
    cfg.DATASETS.ROOT = str(patent_root)
    splits = DATASETS.get("DeepPatentTestExtended")(cfg)
    assert count == len(splits.gallery) == 3 * 3 + 3 * 4 + 6 * 4
    assert not {sample.path for sample in splits.query} & {sample.path for sample in splits.gallery}
    with open(path, "rb") as file:
        before = file.read()
    assert write_extended_list(patent_root / "train_data") == (path, count)
    with open(path, "rb") as file:
        assert file.read() == before


def test_no_query_no_double_and_no_second_answer(tmp_path):
    write_list(tmp_path / "test_query_patent.txt", ["p/a/1.png 1", "p/b/1.png 2"])
    write_list(tmp_path / "test_db_patent.txt", ["p/b/2.png 2", "p/a/1.png 1", "p/b/2.png 2", "p/a/2.png 1"])
    write_list(tmp_path / "train_patent_trn.txt", ["p/a/3.png 1", "p/a/1.png 1", "p/c/1.png 2", "./p/c/1.png 2"])
    write_list(tmp_path / "val_query_patent.txt", ["p/d/1.png 1"])
    assert extended_lines(tmp_path) == ["p/b/2.png 2", "p/a/2.png 1", "p/d/1.png 3", "p/c/1.png 4"]


def test_validation_in_either_form(patent_root, tmp_path):
    folder = patent_root / "train_data"
    joined = (folder / VALIDATION[1]).read_text() + (folder / VALIDATION[2]).read_text()
    (folder / VALIDATION[0]).write_text(joined)
    for there in ((), VALIDATION[:1], VALIDATION[1:], VALIDATION):
        lists = copied(folder, tmp_path / f"{len(there)}", "test_query_patent.txt", "test_db_patent.txt", *there)
        expected = set(listed(folder / "test_db_patent.txt")) | (set(listed(folder / VALIDATION[0])) if there else set())
        assert {line.rsplit(" ", 1)[0] for line in extended_lines(lists)} == expected, there
        assert missing_parts(lists) == (["training"] if there else ["validation", "training"]), there


def test_missing_test_lists_are_refused(tmp_path):
    write_list(tmp_path / "train_patent_trn.txt", ["p/a/3.png 1"])
    with pytest.raises(DataError, match="test_query_patent.txt: the list cannot be read"):
        write_extended_list(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["train_patent_trn.txt"]


def test_multiview_comes_with_the_same_list_of_test_and_validation(shared, tmp_path):
    data = shared / "multiview/data"
    lists = copied(data, tmp_path / "lists", "test_query_patent.txt", "test_db_patent.txt", *VALIDATION[1:])
    rebuilt = [line.rsplit(" ", 1)[0] for line in extended_lines(lists)]
    assert len(rebuilt) == len(set(rebuilt)) == 10635
    assert set(rebuilt) == set(listed(data / "test_db_patent_extended.txt"))


def test_the_labels_of_deeppatents_own_lists_stay(shared):
    folder = shared / "deeppatent"
    test, rebuilt = listed(folder / "test_db_patent.txt"), extended_lines(folder)
    assert rebuilt[: len(test)] == [f"{path} {label}" for path, label in test.items()]
    assert len(rebuilt) == 38834 + 44815
    assert missing_parts(folder) == ["training"]
