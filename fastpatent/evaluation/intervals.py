"""Means over queries or drawings as figures with their interval over patents."""

from typing import NamedTuple

import numpy as np

from fastpatent.evaluation.bootstrap import bootstrap_intervals


class Figure(NamedTuple):
    """A mean over queries, and its 95% interval when the patents are drawn anew."""

    mean: float
    low: float
    high: float


def mean_figures(values, groups, resamples, seed):
    """Return the Figure of every column: its mean, and the 95% interval when the groups are drawn anew; NaN without rows.

    Args:
        values: float or bool [rows, figures].
        groups: int or str [rows], the patent of each.
        resamples, seed: see `bootstrap_intervals`.
    """
    values = np.asarray(values, np.float64)
    intervals = bootstrap_intervals(values, groups, resamples, seed)
    means = values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)
    return [Figure(*map(float, (mean, *ends))) for mean, ends in zip(means, intervals)]


def patent_codes(identities):
    """Return int64 [rows], one number a patent, of the patent of each row; where it is None a row is a patent of its own."""
    codes = {}
    keys = ((identity, row if identity is None else None) for row, identity in enumerate(identities))
    return np.array([codes.setdefault(key, len(codes)) for key in keys], np.int64)
