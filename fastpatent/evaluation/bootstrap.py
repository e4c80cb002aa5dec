"""Intervals of means over queries, when patents instead of queries are drawn anew: the queries of a patent hang together."""

import numpy as np

BLOCK = 100  # resamples drawn at a time, so that memory stays small


def bootstrap_intervals(values, groups, resamples, seed, level=0.95):
    """Return percentile intervals of means (Efron, 1979) over groups that are drawn with replacement, as many as there are.

    Args:
        values: float [queries, figures], finite.
        groups: int or str [queries], the patent of each.
        resamples: how often they are drawn.
        seed: int.
        level: share of the resampled means that an interval holds.

    Returns:
        float64 [figures, 2], lower and upper ends; NaN where there is no query.
    """
    values = np.asarray(values, np.float64)
    if not len(values):
        return np.full((values.shape[1], 2), np.nan)
    _, owner = np.unique(groups, return_inverse=True)
    counts = np.bincount(owner).astype(np.float64)
    sums = np.stack([np.bincount(owner, weights=column) for column in values.T], axis=1)
    rng, means = np.random.default_rng(seed), []
    for done in range(0, resamples, BLOCK):
        drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), min(BLOCK, resamples - done))
        means.append((drawn @ sums) / (drawn @ counts)[:, None])
    tail = (1 - level) / 2
    return np.quantile(np.concatenate(means), [tail, 1 - tail], axis=0).T
