"""The patents nearest to several views, against all pairs in float64."""

from copy import copy
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastpatent.search import patents
from fastpatent.search.index import open_index
from fastpatent.search.patents import best_patents
from tests.small_index import write_index


def brute(index, views, k, passed=None, excluded=()):
    """(numbers, scores) by loops over all patents, in float64; ties go to the lower number."""
    stored, names = np.asarray(index.vectors, np.float64), np.array(index.drawings["patent"].to_pylist())
    found = []
    for number, name in enumerate(index.patents):
        rows = np.flatnonzero((names == name) & (passed is None or passed))
        if len(rows) and number not in excluded:
            found.append((-np.mean([max(stored[rows] @ np.asarray(view, np.float64)) for view in views]), number, name))
    found = sorted(found)[:k]
    return [number for _, number, _ in found], [-score for score, *_ in found]


def names(count, patents, generator):
    return sorted(f"p{number:03d}" for number in generator.integers(patents, size=count))


@pytest.fixture(scope="module")
def index(tmp_path_factory, place):
    """120 drawings of 30 patents of 1 to 9 drawings; whole numbers in few dimensions, so that scores tie."""
    generator = np.random.default_rng(0)
    vectors = generator.integers(-1, 2, (120, 4)) + np.eye(120, 4) / 1e9
    vectors[~vectors.any(axis=1)] = 1
    return write_index(tmp_path_factory.mktemp("patents") / "i", vectors, names(120, 30, generator), place=place)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 40), st.floats(0, 1))
def test_flat_is_all_pairs(index, seed, views, k, share):
    generator = np.random.default_rng(seed)
    asked = generator.standard_normal((views, 4)).astype(np.float32) * generator.uniform(0.1, 3, (views, 1)).astype(
        np.float32
    )
    passed = generator.random(120) < share if share < 1 else None
    excluded = generator.permutation(len(index.patents))[: generator.integers(4)]
    found, scores = best_patents(index, asked, k, passed, excluded)
    expected, true = brute(index, asked, len(index.patents), passed, excluded)
    assert len(found) == min(k, len(expected)) and len(set(found.tolist())) == len(found)
    np.testing.assert_allclose(scores, true[: len(found)], atol=1e-6)
    plain = copy(index)
    plain._codes = None
    without = best_patents(plain, asked, k, passed, excluded)
    assert np.array_equal(found, without[0]) and np.array_equal(scores, without[1])
    truth = dict(zip(expected, true))
    np.testing.assert_allclose(scores, [truth[number] for number in found.tolist()], atol=1e-6)


def test_of_equal_patents_the_first_comes_first(tmp_path, place):
    names = [f"p{row // 2:02d}" for row in range(24)]
    index = write_index(tmp_path / "i", np.repeat(np.eye(3), [8, 8, 8], axis=0), names, place=place)
    for k in (1, 3, 5, 12):
        found, scores = best_patents(index, np.array([[0, 2, 0]], np.float32), k)
        assert (
            found.tolist() == [4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11][:k] and scores.tolist() == [2.0, 2, 2, 2, *[0] * 8][:k]
        )


def test_zero_views_and_nothing_left(index):
    found, scores = best_patents(index, np.zeros((1, 4), np.float32), 3)
    assert found.tolist() == [0, 1, 2] and not scores.any()
    for passed, excluded in ((np.zeros(120, bool), None), (None, np.arange(len(index.patents)))):
        assert [len(side) for side in best_patents(index, np.ones((2, 4), np.float32), 5, passed, excluded)] == [0, 0]


@pytest.fixture
def deep(monkeypatch):
    """A function of a flat index that makes it one of another kind, whose search is exact; returns the depths asked for."""
    monkeypatch.setattr(patents, "MOST_EXACT", 0)

    def change(index):
        depths, exact = [], open_index(index.folder)

        def search(views, k, rows=None):
            depths.append(k)
            return exact.search(views, k, rows)

        monkeypatch.setattr(index, "search", search)
        monkeypatch.setitem(index.manifest, "kind", "hnsw")
        return depths

    return change


def test_an_index_that_is_no_flat_one_goes_as_deep_as_it_must(tmp_path, deep):
    """The search is exact, so the bound must leave nothing out."""
    generator = np.random.default_rng(1)
    index = write_index(tmp_path / "i", generator.standard_normal((400, 6)), names(400, 90, generator))
    depths = deep(index)
    for seed in range(40):
        generator = np.random.default_rng(seed)
        asked = generator.standard_normal((1 + seed % 4, 6)).astype(np.float32)
        passed = generator.random(400) < generator.random() if seed % 2 else None
        excluded = generator.permutation(80)[: seed % 3]
        k = [1, 3, 10, 200][seed // 4 % 4]
        found, scores = best_patents(index, asked, k, passed, excluded)
        expected, true = brute(index, asked, k, passed, excluded)
        assert found.tolist() == expected
        np.testing.assert_allclose(scores, true, atol=1e-6)
    assert {4, 12, 40} <= {*depths} and any(later == 2 * depth for depth, later in pairwise(depths))


def test_there_are_never_fewer_than_asked_for(tmp_path, deep, monkeypatch):
    """One patent has all drawings that are close: however deep the search goes, it meets no other."""
    monkeypatch.setattr(patents, "DEEPEST", 20)
    generator = np.random.default_rng(2)
    close, far = (
        generator.standard_normal((100, 4)) / 100 + np.eye(4)[0],
        generator.standard_normal((40, 4)) - 3 * np.eye(4)[0],
    )
    index = write_index(
        tmp_path / "i", np.concatenate([close, far]), ["a"] * 100 + [f"p{row // 2:02d}" for row in range(40)]
    )
    depths = deep(index)
    for k, excluded in ((1, ()), (9, ()), (50, ()), (5, (0,))):
        found, _ = best_patents(index, np.eye(1, 4, dtype=np.float32), k, None, np.array(excluded, np.int64))
        assert found.tolist() == brute(index, np.eye(1, 4), k, None, excluded)[0]
    assert depths and max(depths) < 140
