"""Bootstrap intervals of means over queries, resampled by patent: the queries of one patent are correlated."""

import numpy as np
from numpy.typing import ArrayLike

BLOCK = 100  # resamples at a time, to bound the memory


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
