"""The protocol: fractions, queries, equal drawings; and the rule against DeepPatent's own lists."""

from collections import Counter

import pytest

from fastpatent.data.lists import read_lines
from fastpatent.uspto.splitting import distinct_drawings, split_patents


def patents(count, drawings=lambda number: number % 9 + 2):
    """{patent: paths} of `count` patents over several weeks."""
    made = {}
    for number in range(count):
        name = f"USD{number:07d}-202101{number % 28 + 1:02d}"
        made[name] = [f"I{name[-8:]}/{name}/{name}-D{sheet:05d}.png" for sheet in range(drawings(number))]
    return made


def placed(parts):
    """{path: part}, each path once."""
    found = [(path, part) for part in vars(parts) for paths in getattr(parts, part).values() for path in paths]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_shares_and_queries():
    for count in [3, 4, 50, 333]:
        for seed in [0, 1]:
            drawings = patents(count)
            parts = split_patents(drawings, seed, 0.15, 0.15)
            assert set(placed(parts)) == {path for paths in drawings.values() for path in paths}, f"{count=}, {seed=}"
            test = max(round(0.15 * count), 1)
            val = max(round(0.15 * (count - test)), 1)
            assert (len(parts.test_query), len(parts.val_query), len(parts.train)) == (test, val, count - test - val), (
                f"{count=}, {seed=}"
            )
            for query, gallery in ((parts.test_query, parts.test_db), (parts.val_query, parts.val_db)):
                assert list(query) == list(gallery), f"{count=}, {seed=}"
                for patent, asked in query.items():
                    assert len(asked) == (1 if len(drawings[patent]) < 4 else 2) and gallery[patent], f"{count=}, {seed=}"
                    assert asked == sorted(asked) and gallery[patent] == sorted(gallery[patent]), f"{count=}, {seed=}"


def test_patents_with_one_drawing_are_trained_on():
    drawings = patents(60, lambda number: 1 if number % 2 else 3)
    parts = split_patents(drawings, 0, 0.5, 0.5)
    assert len(parts.test_query) == 15 and all(len(drawings[patent]) > 1 for patent in (*parts.test_query, *parts.val_query))
    assert sum(len(paths) == 1 for paths in parts.train.values()) == 30


def test_fewer_than_three_possible_queries_leave_parts_empty():
    for count in range(3):
        parts = split_patents(patents(count), 0, 0.15, 0.15)
        assert len(placed(parts)) == sum(map(len, patents(count).values()))
        assert not all((parts.train, parts.val_query, parts.test_query))


def test_another_week_moves_few_patents_and_no_queries():
    drawings = patents(1000)
    fewer = dict(list(drawings.items())[:950])
    before, after = placed(split_patents(fewer, 0, 0.15, 0.15)), placed(split_patents(drawings, 0, 0.15, 0.15))
    stage = {part: part.split("_")[0] for part in set(before.values())}
    moved = {path.split("/")[1] for path, part in before.items() if stage[after[path]] != stage[part]}
    assert len(moved) < 20
    assert all(after[path] == part for path, part in before.items() if path.split("/")[1] not in moved)


def test_the_seed_decides():
    drawings = patents(100)
    assert set(split_patents(drawings, 0, 0.15, 0.15).test_db) != set(split_patents(drawings, 1, 0.15, 0.15).test_db)
    reordered = dict(reversed(drawings.items()))
    assert placed(split_patents(reordered, 0, 0.15, 0.15)) == placed(split_patents(drawings, 0, 0.15, 0.15))


def test_the_first_of_equal_drawings_stays():
    drawings = {
        "USD0000003-20210112": [("a", "x"), ("b", "new")],
        "USD0000002-20210112": [("b", "y"), ("a", "y")],
        "USD0000009-20210105": [("c", "x"), ("d", "z")],
        "USD0000001-20210119": [("e", "x"), ("f", "z")],
    }
    distinct, equal = distinct_drawings(drawings)
    assert distinct == {
        "USD0000009-20210105": ["I20210105/USD0000009-20210105/c", "I20210105/USD0000009-20210105/d"],
        "USD0000002-20210112": ["I20210112/USD0000002-20210112/a"],
        "USD0000003-20210112": ["I20210112/USD0000003-20210112/b"],
    }
    assert list(distinct) == ["USD0000009-20210105", "USD0000002-20210112", "USD0000003-20210112"]
    first = "I20210105/USD0000009-20210105/c"
    assert equal == [
        ("I20210112/USD0000002-20210112/b", "I20210112/USD0000002-20210112/a"),
        ("I20210112/USD0000003-20210112/a", first),
        ("I20210119/USD0000001-20210119/e", first),
        ("I20210119/USD0000001-20210119/f", "I20210105/USD0000009-20210105/d"),
    ]


@pytest.mark.parametrize("stage", ["val", "test"])
def test_deeppatent_withholds_by_the_same_rule(shared, stage):
    """Each of their patents has as many queries as ours would have; none has a single drawing."""

    def counts(part):
        lines = read_lines(shared / f"deeppatent/{stage}_{part}_patent.txt")
        return Counter(path.split("/")[1] for _, path in lines)

    asked, gallery = counts("query"), counts("db")
    drawings = {
        patent: [f"{patent}/{sheet}" for sheet in range(asked[patent] + gallery[patent])] for patent in asked | gallery
    }
    assert min(map(len, drawings.values())) == 2
    ours = split_patents(drawings, 0, 0.9999, 0.5).test_query
    assert len(ours) > len(drawings) - 10
    assert all(len(paths) == asked[patent] for patent, paths in ours.items())
