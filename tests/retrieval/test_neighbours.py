"""Nearest neighbours within a collection against a stable sort in float64."""

import numpy as np
import pytest

from fastpatent.errors import DataError
from fastpatent.retrieval import neighbours, score_tiles
from fastpatent.retrieval.neighbours import Remembered, nearest_rows
from fastpatent.retrieval.torch_kernel import TorchKernel


@pytest.mark.parametrize("sides", [(1,), (40, 90), (1024, 1025), (0, 7)])
def test_nearest_rows_meet_a_sort_in_float64(rng, float64_scores, sides):
    arrays = [rng.standard_normal((count, 12)).astype(np.float32) for count in sides]
    joined = np.concatenate(arrays)
    truth = float64_scores(joined, joined, "cosine")
    for k in (1, 6, 300):
        indices, similarities = nearest_rows(arrays, k)
        assert indices.dtype == np.int64 and similarities.dtype == np.float32
        np.testing.assert_array_equal(indices[:, :1], np.arange(len(joined))[:, None], err_msg=f"k {k}")
        assert all(len(set(row)) == min(k, len(joined)) for row in indices.tolist()), f"k {k}"
        np.testing.assert_allclose(similarities, np.take_along_axis(truth, indices, 1), atol=1e-6, err_msg=f"k {k}")
        np.testing.assert_allclose(similarities, -np.sort(-truth, axis=1)[:, :k], atol=1e-6, err_msg=f"k {k}")


@pytest.mark.parametrize("kernel", ["compiled", "torch"])
def test_ties_go_to_the_lower_index_whatever_the_tiles(few_values, float64_scores, kernel, monkeypatch):
    if kernel == "torch":
        monkeypatch.setattr(neighbours, "choose_kernel", TorchKernel)
    rows = few_values(230, 8)
    rows[7] = 0
    truth = np.round(float64_scores(rows, rows, "cosine"), 9)
    for tile in (16, 64, 1024):
        monkeypatch.setattr(score_tiles, "TILE", tile)
        indices, _ = nearest_rows([rows[:100], rows[100:]], 9)
        np.testing.assert_array_equal(indices, np.argsort(-truth, axis=1, kind="stable")[:, :9], err_msg=f"tile {tile}")


def test_equal_rows_tie_exactly_from_both_sides(rng):
    rows = rng.standard_normal((2300, 64)).astype(np.float32)
    equal = [3, 1000, 1030, 2047, 2290]
    rows[equal] = rows[0]
    indices, _ = nearest_rows([rows], 6)
    np.testing.assert_array_equal(indices[[0] + equal], np.tile([0] + equal, (6, 1)))


@pytest.mark.parametrize(
    "sides, k, words",
    [
        ([np.ones((2, 3))], 0, "k must be at least 1, not 0"),
        ([np.ones((2, 3)), np.ones((2, 4))], 1, "3 and 4 dimensions"),
        ([np.ones((2, 3)), np.full((2, 3), np.nan)], 1, "row 0 of the features holds NaN"),
    ],
)
def test_wrong_input_is_named(sides, k, words):
    with pytest.raises(DataError, match=words):
        nearest_rows(sides, k)


def test_remembered_neighbours_are_those_of_a_search_and_are_searched_once(rng, monkeypatch):
    collections = [[rng.standard_normal((count, 12)).astype(np.float32) for count in (30, 50)] for _ in range(3)]
    expected = {(number, k): nearest_rows(sides, k) for number, sides in enumerate(collections) for k in (1, 7, 20)}
    searched = []
    monkeypatch.setattr(neighbours, "nearest_rows", lambda sides, k, device: searched.append(k) or nearest_rows(sides, k))
    find = Remembered(at_least=9, collections=2)
    for number, k in ((0, 7), (0, 1), (1, 7), (0, 20), (0, 7), (2, 1), (1, 1), (2, 7)):
        for found, truth in zip(find(collections[number], k), expected[number, k]):
            np.testing.assert_array_equal(found, truth)
    assert searched == [9, 9, 20, 9, 9]  # the second collection was forgotten for the third
