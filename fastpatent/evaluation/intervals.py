"""Means over queries or drawings, with their interval over patents."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastpatent.evaluation.bootstrap import bootstrap_intervals


class Figure(NamedTuple):
    """A mean over queries, and its 95% interval with the patents resampled."""

    mean: float
    low: float
    high: float


def mean_figures(values: ArrayLike, groups: ArrayLike, resamples: int, seed: int) -> list[Figure]:
    """Return the Figure of every column: its mean, and the 95% interval with the groups resampled; NaN without rows.

    Args:
        values: float or bool [rows, figures].
        groups: int or str [rows], the patent of each.
        resamples, seed: see `bootstrap_intervals`.
    """
    values = np.asarray(values, np.float64)
    intervals = bootstrap_intervals(values, groups, resamples, seed)
    means = values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)
    return [Figure(*map(float, (mean, *ends))) for mean, ends in zip(means, intervals)]


def patent_codes(identities: Iterable[str | None]) -> np.ndarray:
    """Return int64 [rows], a number for the patent of each row, from 0; a row with None is a patent of its own."""
    codes: dict[tuple[str | None, int | None], int] = {}
    keys = ((identity, row if identity is None else None) for row, identity in enumerate(identities))
    return np.array([codes.setdefault(key, len(codes)) for key in keys], np.int64)
