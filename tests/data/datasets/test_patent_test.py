"""The challenge's unlabelled lists, in both layouts."""

import pytest

from fastpatent.data.datasets import DATASETS
from fastpatent.data.records import Sample
from fastpatent.errors import DataError


@pytest.mark.parametrize("place", ["codalab_test_set", "test_data/codalab_test_set"])
@pytest.mark.parametrize("label", ["", " 4"])
def test_both_layouts(tmp_path, write_drawing, write_list, cfg, place, label):
    base = tmp_path / place
    queries = ["queries/000.png", "queries/001.png"]
    database = [f"database/{number:03d}.png" for number in (2, 0, 1)]
    for number, name in enumerate(queries + database):
        write_drawing(base / name, number)
    write_list(base / "lists/test_queries.txt", [name + label for name in queries])
    write_list(base / "lists/test_database.txt", [name + label for name in database])
    cfg.DATASETS.ROOT = str(tmp_path)
    splits = DATASETS.get("PatentTest")(cfg)
    assert (splits.name, splits.stage, splits.train) == ("PatentTest", "test", [])
    assert splits.query == [Sample(str(base / name), None) for name in queries]
    assert splits.gallery == [Sample(str(base / name), None) for name in database]


def test_missing_lists_name_both_places(tmp_path, cfg):
    cfg.DATASETS.ROOT = str(tmp_path)
    places = r".*/codalab_test_set/lists or .*/test_data/codalab_test_set/lists"
    with pytest.raises(DataError, match=rf"no list test_queries\.txt in {places}"):
        DATASETS.get("PatentTest")(cfg, parts=("query", "gallery"))
