"""Conventions shared by every ranking: accepted features, metrics and block sizes."""

import numpy as np

from fastpatent.errors import DataError, nearest

DISTANCES = ("cosine", "euclidean", "normalized_euclidean")
BLOCK_ROWS = 4096  # rows per block, which keeps temporary arrays small
# Longest norm of a row for which the metric is computed within float32: the inverse of the norm is a normal number, or the
# square of the sum of two norms is finite.
LONGEST = {"cosine": 2.0**126, "euclidean": 1e18, "normalized_euclidean": 1e18}
# Shortest norm of a row that is not zero, for the same: squares of shorter ones lose their digits. A cosine needs none.
SHORTEST = {"cosine": 0.0, "euclidean": 1e-10, "normalized_euclidean": 1e-10}


def as_features(features: np.ndarray, name: str = "features", metric: str = "cosine") -> np.ndarray:
    """Return features as C-contiguous float32 [rows, dim], copied only if needed.

    Raises:
        DataError: not two-dimensional, or a row contains NaN or infinity, is longer than LONGEST of the metric, or shorter
            than SHORTEST but not zero (the message gives the row).
    """
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused below
        features = np.ascontiguousarray(features, dtype=np.float32)
    if features.ndim != 2:
        raise DataError(f"{name} must be an array [rows, dim], not one of shape {list(features.shape)}")
    row = first_unusable(features, metric)
    if row is not None:
        if not np.isfinite(features[row]).all():
            raise DataError(f"row {row} of the {name} holds NaN or infinity")
        if squared_norms(features[row : row + 1]) > 1:
            raise DataError(f"row {row} of the {name} is longer than {LONGEST[metric]:.3g}, too long for {metric}")
        raise DataError(
            f"row {row} of the {name} is not zero but shorter than {SHORTEST[metric]:.3g}, too short for {metric}"
        )
    return features


def first_unusable(features: np.ndarray, metric: str) -> int | None:
    """Return the first row of float32 [rows, dim] that `as_features` refuses; None where there is none."""
    for start in range(0, len(features), BLOCK_ROWS):
        # float64 squares of float32 values cannot overflow
        squares = squared_norms(features[start : start + BLOCK_ROWS])
        usable = (squares <= LONGEST[metric] ** 2) & ((squares >= SHORTEST[metric] ** 2) | (squares == 0))
        if not usable.all():
            return start + int(np.argmin(usable))
    return None


def as_pair(query: np.ndarray, gallery: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return query and gallery as checked features of the same dimension, to be compared by `metric`.

    Raises:
        DataError: features of different dimension or not finite, or an unknown metric.
    """
    if metric not in DISTANCES:
        raise DataError(f"unknown metric {metric!r}{nearest(metric, DISTANCES)}")
    query, gallery = as_features(query, "query features", metric), as_features(gallery, "gallery features", metric)
    if query.shape[1] != gallery.shape[1]:
        raise DataError(f"query features have {query.shape[1]} dimensions and gallery features {gallery.shape[1]}")
    return query, gallery


def squared_norms(features: np.ndarray) -> np.ndarray:
    """Return the squared L2 norms of float [rows, dim], as float64 [rows]."""
    return np.einsum("rd,rd->r", features, features, dtype=np.float64)


def inverse_norms(features: np.ndarray) -> np.ndarray:
    """Return float32 [rows]: 1 / norm of each row, and 0 for a zero row, whose cosine with any row is then 0."""
    inverse = np.zeros(len(features), np.float32)
    for start in range(0, len(features), BLOCK_ROWS):
        norms = np.sqrt(squared_norms(features[start : start + BLOCK_ROWS]))
        usable = norms > np.finfo(np.float32).tiny
        inverse[start : start + BLOCK_ROWS] = np.divide(1.0, norms, out=np.zeros_like(norms), where=usable)
    return inverse


def normalise(features: np.ndarray) -> np.ndarray:
    """Return an L2-normalised float32 copy of [rows, dim]; zero rows stay zero."""
    return features * inverse_norms(features)[:, None]


def rows_within(memory: int, row_bytes: int, multiple: int = 1) -> int:
    """Return how many rows of `row_bytes` bytes fit in `memory` bytes, as a multiple of `multiple` and at least that."""
    return max(1, memory // (row_bytes * multiple)) * multiple
