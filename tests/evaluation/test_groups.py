"""What is known of the queries of a data set, by their names, classes and galleries."""

import numpy as np
import pytest

from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation.groups import CATEGORY, SIZE, UNKNOWN, VIEW, group_rows, groups_of


def splits(paths, categories=None, counts=None):
    """Queries of these paths; identity i has `counts[i]` drawings in the gallery."""
    queries = [
        Sample(f"/data/{path}", path.rpartition("/")[0], category=category)
        for path, category in zip(paths, categories or [None] * len(paths))
    ]
    gallery = [Sample(f"/g/{n}.png", q.identity) for q, count in zip(queries, counts or []) for n in range(count)]
    return Splits("Set", [], queries, gallery)


@pytest.mark.parametrize(
    "paths, views",
    [
        (["images/L9/L9_0.png", "images/L10/L10_0.png", "images/L10/L10_7.png"], ["0", "0", UNKNOWN]),
        (["I1/USD1-2/USD1-2-D00003.png", "I1/USD9-2/USD9-2-D00003.TIF", "I1/c/c-D00000.png"], ["3", "3", UNKNOWN]),
        (["chair/front.png", "table/front.png", "chair/2.png", "table/002.jpg"], ["front", "front", "2", "2"]),
        (["a/a.png", "b/b.png", "c/c.png"], None),  # one drawing each, named as its folder
        (["a/IMG_1.png", "a/IMG_2.png", "b/IMG_3.png", "c/IMG_3.png"], [UNKNOWN, UNKNOWN, "IMG_3", "IMG_3"]),
        (["a/IMG_1.png", "a/IMG_2.png", "b/IMG_4.png", "b/IMG_3.png", "c/IMG_3.png"], None),
    ],
)
def test_a_view_is_a_name_that_drawings_of_several_folders_share(paths, views):
    assert groups_of(splits(paths)).get(VIEW) == views


def test_categories_have_the_titles_of_the_office():
    found = groups_of(splits(["a/1.png", "b/1.png", "c/1.png"], ["D14", None, "Brick"]))
    assert found == {CATEGORY: ["D14 recording, communication, or information retrieval equipment", UNKNOWN, "Brick"]}
    assert groups_of(splits(["a/1.png", "b/1.png"], ["Brick", "Brick"])) == {}  # nothing to compare


def test_sizes_double():
    counts = [0, 1, 2, 3, 4, 5, 8, 9, 16, 17]
    found = groups_of(splits([f"d{n}/x{n}.png" for n in range(len(counts))], counts=counts))
    assert found == {SIZE: ["none", "1", "2", "3-4", "3-4", "5-8", "5-8", "9-16", "9-16", "17-32"]}
    unlabelled = Splits("Set", [], [Sample("/q/x.png", None), Sample("/r/y.png", "r")], [Sample("/g/z.png", None)])
    assert groups_of(unlabelled) == {SIZE: [UNKNOWN, "none"]}


def test_rows_of_groups_are_in_the_order_of_numbers():
    labels = ["D10 b", "9-16", UNKNOWN, "D2 a", "front", "5-8", "D2 a", "9" * 5000]
    rows = group_rows(labels)
    assert list(rows) == ["5-8", "9-16", "9" * 5000, "D2 a", "D10 b", "front", UNKNOWN]
    assert {label: found.tolist() for label, found in rows.items()} == {
        label: [place for place, other in enumerate(labels) if other == label] for label in labels
    }
    assert all(found.dtype == np.int64 for found in rows.values())
