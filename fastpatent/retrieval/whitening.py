"""PCA whitening of features (Jegou & Chum, ECCV 2012): directions of largest variance, scaled to unit variance."""

from typing import NamedTuple

import numpy as np

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import BLOCK_ROWS, as_features, normalise

FLOOR = 1e-6  # relative to the largest variance; float32 cannot distinguish less from rounding


class Whitening(NamedTuple):
    """Result of `learn_whitening`.

    Attributes:
        mean: float32 [dim_in].
        projection: float32 [dim_in, dim], columns by descending variance.
    """

    mean: np.ndarray
    projection: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Return (features - mean) @ projection, L2-normalised, float32 [rows, dim], of float [rows, dim_in]."""
        features = as_features(features)
        white = np.empty((len(features), self.projection.shape[1]), np.float32)
        for start in range(0, len(features), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            np.matmul(features[block] - self.mean, self.projection, out=white[block])
        return normalise(white)


def learn_whitening(features: np.ndarray, dim: int = 0) -> Whitening:
    """Learn PCA whitening from features, which should come from other images than those to be ranked.

    With covariance C = V diag(l) V^T (over rows - 1), the projection is the first `dim` columns of V diag(l)^(-1/2);
    variances below FLOOR times the largest are raised to that value.

    Args:
        features: float [rows, dim_in], at least two.
        dim: number of directions; 0: all with a variance above the floor.

    Returns:
        Whitening.

    Raises:
        DataError: features not finite or all equal, or more directions than rows or dimensions.
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
    if not variances[0] > np.finfo(np.float32).tiny:  # below, its inverse root overflows
        raise DataError("whitening cannot be learned from features that are all the same")
    floor = FLOOR * variances[0]
    kept = dim or int((variances > floor).sum())
    projection = directions[:, :kept] / np.sqrt(np.maximum(variances[:kept], floor))
    return Whitening(mean.astype(np.float32), projection.astype(np.float32))
