"""The challenge's unlabelled lists, in each layout."""

import re

import pytest

from fastpatent.data.datasets import DATASETS
from fastpatent.data.records import Sample
from fastpatent.errors import DataError

PLACES = ["codalab_test_set", "test_data/codalab_test_set", "test_data"]


@pytest.mark.parametrize("lists", PLACES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("label", ["", " 4"])
def test_lists_and_drawings_in_any_place(tmp_path, write_drawing, write_list, cfg, lists, place, label):
    base = tmp_path / place
    queries = ["queries/000.png", "queries/001.png"]
    database = [f"database/{number:03d}.png" for number in (2, 0, 1)]
    for number, name in enumerate(queries + database):
        write_drawing(base / name, number)
    write_list(tmp_path / lists / "lists/test_queries.txt", [name + label for name in queries])
    write_list(tmp_path / lists / "lists/test_database.txt", [name + label for name in database])
    cfg.DATASETS.ROOT = str(tmp_path)
    splits = DATASETS.get("PatentTest")(cfg)
    assert (splits.name, splits.stage, splits.train) == ("PatentTest", "test", [])
    assert splits.query == [Sample(str(base / name), None) for name in queries]
    assert splits.gallery == [Sample(str(base / name), None) for name in database]


def test_a_missing_list_or_drawing_names_all_places(tmp_path, write_list, cfg):
    cfg.DATASETS.ROOT = str(tmp_path)
    message = f"no list test_queries.txt in {' or '.join(f'{tmp_path}/{place}/lists' for place in PLACES)} (DATASETS.ROOT)"
    with pytest.raises(DataError, match=re.escape(message)):
        DATASETS.get("PatentTest")(cfg, parts=("query", "gallery"))
    path = write_list(tmp_path / "test_data/lists/test_queries.txt", ["queries/000.png"])
    message = f"{path}:1: no drawing queries/000.png in {' or '.join(f'{tmp_path}/{place}' for place in PLACES)}"
    with pytest.raises(DataError, match=re.escape(message)):
        DATASETS.get("PatentTest")(cfg, parts=("query",))
