"""Label maps, queries without a match, and which files of a folder are images."""

import os

import pytest

from fastpatent.data.records import Sample, find_drawings, label_map, unmatched_queries
from fastpatent.errors import DataError


def test_labels_are_sorted_and_skip_the_unlabelled():
    samples = [Sample("3", "b"), Sample("1", "c"), Sample("2", None), Sample("0", "a"), Sample("4", "b")]
    assert label_map(samples) == {"a": 0, "b": 1, "c": 2}


def test_unmatched_queries():
    gallery = [Sample("g0", "a"), Sample("g1", "b"), Sample("g2", None)]
    query = [Sample("q0", "a"), Sample("q1", "z"), Sample("q2", None)]
    assert unmatched_queries(query, gallery) == [Sample("q1", "z")]


def test_find_drawings(tmp_path):
    drawings = ["b/x.PNG", "a/deep/y.tif", "a/z.JpEg", "top.bmp", "a/w.tiff"]
    for name in (*drawings, ".hidden/h.png", "a/.h.png", "a/x.xml", "a/png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert find_drawings(tmp_path) == sorted(drawings)


def test_linked_folders_count_once_and_loops_end(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x.png").write_bytes(b"")
    root = tmp_path / "root"
    root.mkdir()
    os.symlink(tmp_path / "elsewhere", root / "linked")
    os.symlink(root, root / "loop")
    assert find_drawings(root) == ["linked/x.png"]


def test_no_such_folder(tmp_path):
    with pytest.raises(DataError, match="absent: there is no such folder"):
        find_drawings(tmp_path / "absent")
