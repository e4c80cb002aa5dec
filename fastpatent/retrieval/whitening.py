"""PCA whitening of features (Jegou & Chum, ECCV 2012): directions of largest variance, each scaled to the same."""

from typing import NamedTuple

import numpy as np

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import BLOCK_ROWS, as_features, normalise

FLOOR = 1e-6  # of the largest variance: a direction of less has none that float32 can tell from rounding


class Whitening(NamedTuple):
    """What `learn_whitening` found.

    Attributes:
        mean: float32 [dim_in].
        projection: float32 [dim_in, dim], its columns by falling variance.
    """

    mean: np.ndarray
    projection: np.ndarray

    def apply(self, features):
        """Return (features - mean) @ projection with rows of length 1, float32 [rows, dim], of float [rows, dim_in]."""
        features = as_features(features)
        white = np.empty((len(features), self.projection.shape[1]), np.float32)
        for start in range(0, len(features), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            np.matmul(features[block] - self.mean, self.projection, out=white[block])
        return normalise(white)


def learn_whitening(features, dim=0):
    """Learn from features, of other drawings than are to be ranked, the directions of their largest variance.

    With covariance C = V diag(l) V^T (over rows - 1), the projection is the first `dim` columns of V diag(l)^(-1/2);
    variances below FLOOR times the largest count as that much.

    Args:
        features: float [rows, dim_in], at least two.
        dim: directions to keep; 0 keeps all whose variance is above the floor.

    Returns:
        Whitening.

    Raises:
        DataError: features that are not finite, or all the same; more directions than rows or dimensions.
    """
    features = as_features(features)
    rows, dim_in = features.shape
    if rows < 2 or dim > min(rows, dim_in):
        raise DataError(f"whitening to {dim or dim_in} dimensions cannot be learned from {rows} rows of {dim_in}")
    mean = features.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((dim_in, dim_in))
    for start in range(0, rows, BLOCK_ROWS):
        centred = features[start : start + BLOCK_ROWS] - mean
        scatter += centred.T @ centred
    variances, directions = np.linalg.eigh(scatter / (rows - 1))
    variances, directions = variances[::-1], directions[:, ::-1]
    if not variances[0] > 0:
        raise DataError("whitening cannot be learned from features that are all the same")
    floor = FLOOR * variances[0]
    kept = dim or int((variances > floor).sum())
    projection = directions[:, :kept] / np.sqrt(np.maximum(variances[:kept], floor))
    return Whitening(mean.astype(np.float32), projection.astype(np.float32))
