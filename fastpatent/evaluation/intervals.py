"""Means over queries or images, with bootstrap intervals by patent: the queries of one patent are correlated."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

FEWEST = (
    10  # patents for an interval of a group: of groups without a difference, half would seem to have one at 2, a ninth at 10
)
BLOCK = 100  # resamples at a time, to bound the memory


class Figure(NamedTuple):
    """A mean over queries, and its 95% interval with the patents resampled."""

    mean: float
    low: float
    high: float


def mean_figures(values: ArrayLike, groups: ArrayLike, resamples: int, seed: int, fewest: int = 1) -> list[Figure]:
    """Return the Figure of every column: its mean, and the 95% interval with the groups resampled; NaN without rows.

    Args:
        values: float or bool [rows, figures].
        groups: int or str [rows], the patent of each.
        resamples, seed: see `bootstrap_intervals`.
        fewest: groups below which the ends of the intervals are NaN.
    """
    values = np.asarray(values, np.float64)
    enough = len(np.unique(groups)) >= fewest
    intervals = bootstrap_intervals(values if enough else values[:0], groups, resamples, seed)
    means = values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)
    return [Figure(*map(float, (mean, *ends))) for mean, ends in zip(means, intervals)]


def patent_codes(identities: Iterable[str | None]) -> np.ndarray:
    """Return int64 [rows], a number for the patent of each row, from 0; a row with None is a patent of its own."""
    codes: dict[tuple[str | None, int | None], int] = {}
    keys = ((identity, row if identity is None else None) for row, identity in enumerate(identities))
    return np.array([codes.setdefault(key, len(codes)) for key in keys], np.int64)


def bootstrap_intervals(values: ArrayLike, groups: ArrayLike, resamples: int, seed: int, level: float = 0.95) -> np.ndarray:
    """Return percentile intervals of means (Efron, 1979), with the groups resampled with replacement.

    Args:
        values: float [queries, figures], finite.
        groups: int or str [queries], the patent of each.
        resamples: number of resamples.
        seed: of the resampling.
        level: share of the resampled means inside an interval.

    Returns:
        float64 [figures, 2], lower and upper ends; NaN without a query.
    """
    values = np.asarray(values, np.float64)
    if not len(values):
        return np.full((values.shape[1], 2), np.nan)
    _, owner = np.unique(groups, return_inverse=True)
    counts = np.bincount(owner).astype(np.float64)
    sums = np.stack([np.bincount(owner, weights=column) for column in values.T], axis=1)
    rng, means = np.random.default_rng(seed), []
    for done in range(0, resamples, BLOCK):
        picked = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), min(BLOCK, resamples - done))
        means.append((picked @ sums) / (picked @ counts)[:, None])
    tail = (1 - level) / 2
    return np.quantile(np.concatenate(means), [tail, 1 - tail], axis=0).T
