"""Input checks of rankings, and norms of very small and large features."""

import numpy as np
import pytest

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import as_features, as_pair, inverse_norms, normalise, rows_within


def test_zero_rows_stay_zero():
    rows = np.array([[0, 0], [3, 4]], np.float32)
    np.testing.assert_allclose(normalise(rows), [[0, 0], [0.6, 0.8]], rtol=1e-6)


def test_norms_neither_overflow_nor_vanish():
    for scale in [1e-30, 1e-20, 1e20, 1e30]:
        np.testing.assert_allclose(
            inverse_norms(np.full((1, 4), scale, np.float32)), [0.5 / scale], rtol=1e-6, err_msg=f"{scale=}"
        )


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((np.zeros((2, 3)), np.zeros((2, 4)), "cosine"), "3 dimensions and gallery features 4"),
        ((np.zeros(3), np.zeros((2, 3)), "cosine"), r"not one of shape \[3\]"),
        ((np.zeros((2, 3)), np.zeros((2, 3)), "cosin"), "did you mean cosine"),
    ],
)
def test_wrong_features_are_named(arguments, words):
    with pytest.raises(DataError, match=words):
        as_pair(*arguments)


def test_a_row_that_is_not_finite_is_named():
    for bad in [np.nan, np.inf, -np.inf]:
        features = np.zeros((5000, 2), np.float32)
        features[4321, 1] = bad
        with pytest.raises(DataError, match="row 4321 of the features holds NaN or infinity"):
            as_features(features)


def test_rows_whose_squares_overflow_float32_pass():
    as_features(np.full((1, 8), 3e37, np.float32))


def test_rows_within():
    for memory, row_bytes, multiple, rows in [(100, 10, 1, 10), (100, 10, 4, 8), (5, 10, 4, 4)]:
        assert rows_within(memory, row_bytes, multiple) == rows, f"{memory=}, {row_bytes=}, {multiple=}, {rows=}"
