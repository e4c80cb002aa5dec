"""Distances against their formulas in float64."""

import numpy as np
import pytest

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import as_features, inverse_norms, normalise, pairwise_distance, rows_within


@pytest.mark.parametrize("metric, of_score", [("cosine", lambda score: 1 - score), ("euclidean", lambda score: -score)])
@pytest.mark.parametrize("offset", [0, 3])
def test_pairwise_distance_meets_the_formula(rng, float64_scores, metric, of_score, offset):
    query, gallery = (rng.standard_normal((rows, 24)).astype(np.float32) + offset for rows in (5, 9))
    np.testing.assert_allclose(
        pairwise_distance(query, gallery, metric), of_score(float64_scores(query, gallery, metric)), atol=2e-6, rtol=1e-4
    )


def test_zero_rows_are_at_cosine_distance_one():
    rows = np.array([[0, 0], [3, 4]], np.float32)
    np.testing.assert_array_equal(pairwise_distance(rows, rows)[0], [1, 1])
    np.testing.assert_allclose(normalise(rows), [[0, 0], [0.6, 0.8]], rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20, 1e30])
def test_norms_neither_overflow_nor_vanish(scale):
    np.testing.assert_allclose(inverse_norms(np.full((1, 4), scale, np.float32)), [0.5 / scale], rtol=1e-6)


def test_input_is_not_changed(rng):
    query = rng.standard_normal((3, 4)).astype(np.float32)
    before = query.copy()
    for metric in ("cosine", "euclidean"):
        pairwise_distance(query, query, metric)
    np.testing.assert_array_equal(query, before)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((np.zeros((2, 3)), np.zeros((2, 4))), "3 dimensions and gallery features 4"),
        ((np.zeros(3), np.zeros((2, 3))), r"not one of shape \[3\]"),
        ((np.zeros((2, 3)), np.zeros((2, 3)), "cosin"), "did you mean cosine"),
    ],
)
def test_wrong_features_are_named(arguments, words):
    with pytest.raises(DataError, match=words):
        pairwise_distance(*arguments)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_named(bad):
    features = np.zeros((5000, 2), np.float32)
    features[4321, 1] = bad
    with pytest.raises(DataError, match="row 4321 of the features holds NaN or infinity"):
        as_features(features)


def test_finite_rows_whose_sum_overflows_float32_pass():
    as_features(np.full((1, 8), 3e38, np.float32))


@pytest.mark.parametrize("memory, row_bytes, multiple, rows", [(100, 10, 1, 10), (100, 10, 4, 8), (5, 10, 4, 4)])
def test_rows_within(memory, row_bytes, multiple, rows):
    assert rows_within(memory, row_bytes, multiple) == rows
