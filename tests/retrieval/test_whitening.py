"""PCA whitening against scikit-learn in float64."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import BLOCK_ROWS
from fastpatent.retrieval.whitening import FLOOR, learn_whitening


def drawn(rows, dim, rank=None, seed=0):
    """Correlated float32 features [rows, dim] with a mean other than 0, of rank `rank` if given."""
    rng = np.random.default_rng(seed)
    directions, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    mixing = directions[: rank or dim] * np.geomspace(1, 0.02, rank or dim)[:, None]
    return (rng.standard_normal((rows, rank or dim)) @ mixing + 0.3).astype(np.float32)


@pytest.mark.parametrize("rows, dim_in, dim", [(500, 24, 24), (500, 24, 7), (40, 64, 20), (BLOCK_ROWS + 50, 8, 5)])
def test_equals_scikit_learns_up_to_sign_with_rows_of_length_1(rows, dim_in, dim):
    both = drawn(rows + 30, dim_in)
    training, test = both[:rows], both[rows:]
    reference = PCA(n_components=dim, whiten=True, svd_solver="full").fit(training.astype(np.float64))
    whitening = learn_whitening(training, dim)
    found = (test - whitening.mean) @ whitening.projection
    truth = reference.transform(test.astype(np.float64))
    sign = np.sign((found * truth).sum(axis=0))
    np.testing.assert_allclose(found * sign, truth, rtol=2e-3, atol=2e-3 * np.abs(truth).max())
    np.testing.assert_allclose(
        whitening.apply(test) * sign, truth / np.linalg.norm(truth, axis=1, keepdims=True), rtol=2e-3, atol=2e-3
    )


@pytest.mark.parametrize("rows, dim_in, rank", [(300, 16, 5), (6, 16, 16)])
def test_without_a_number_all_directions_that_vary_remain(rows, dim_in, rank):
    training = drawn(rows, dim_in, rank)
    training[:, 3] = 7.0  # a constant feature
    centred = training.astype(np.float64) - training.mean(0, dtype=np.float64)
    expected = np.linalg.matrix_rank(centred, tol=1e-4)
    white = (training - training.mean(0)) @ learn_whitening(training).projection
    assert white.shape[1] == expected == min(rank, rows - 1)
    np.testing.assert_allclose(np.cov(white.T), np.eye(expected), atol=2e-3)


def test_a_direction_without_variance_is_floored():
    training = drawn(300, 16, 5)
    projection = learn_whitening(training, 8).projection
    largest = np.linalg.eigvalsh(np.cov(training.T.astype(np.float64)))[-1]
    lengths = np.linalg.norm(projection, axis=0)
    np.testing.assert_allclose(lengths[5:], 1 / np.sqrt(FLOOR * largest), rtol=1e-4)
    assert (lengths[:5] < lengths[5]).all()


def test_the_mean_of_the_training_rows_comes_out_as_zeros():
    whitening = learn_whitening(drawn(50, 4))
    np.testing.assert_array_equal(whitening.apply(whitening.mean[None]), np.zeros((1, 4)))


@pytest.mark.parametrize(
    "training, dim, message",
    [
        (drawn(5, 8), 6, "6 dimensions cannot be learned from 5 rows of 8"),
        (drawn(9, 4), 5, "5 dimensions cannot be learned from 9 rows of 4"),
        (drawn(1, 4), 0, "from 1 rows"),
        (np.ones((5, 4)), 2, "all the same"),
        (np.full((5, 4), np.nan), 2, "NaN"),
    ],
)
def test_what_cannot_be_learned_is_refused(training, dim, message):
    with pytest.raises(DataError, match=message):
        learn_whitening(training, dim)
