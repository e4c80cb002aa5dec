"""Intervals over patents against scipy, against resampling in loops, and their coverage."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from fastpatent.evaluation.intervals import bootstrap_intervals


def by_loops(values, groups, resamples, seed):
    rng, means = np.random.default_rng(seed), []
    rows = [np.flatnonzero(np.array(groups) == group) for group in sorted(set(groups))]
    for _ in range(resamples):
        drawn = rng.integers(0, len(rows), len(rows))
        means.append(values[np.concatenate([rows[group] for group in drawn])].mean(axis=0))
    return np.quantile(means, [0.025, 0.975], axis=0).T


def clustered(patents, seed=0):
    """Values of 1 or 2 correlated queries per patent, in two columns."""
    rng = np.random.default_rng(seed)
    groups = np.repeat([f"patent{number}" for number in range(patents)], rng.integers(1, 3, patents))
    rng.shuffle(groups)
    level = {group: rng.random() for group in groups}
    first = np.clip([level[group] + 0.05 * rng.standard_normal() for group in groups], 0, 1)
    return np.stack([first, (first > 0.5).astype(float)], axis=1), groups


def test_it_meets_plain_resampling():
    values, groups = clustered(80)
    found, expected = bootstrap_intervals(values, groups, 20000, 1), by_loops(values, groups, 20000, 2)
    np.testing.assert_allclose(found, expected, atol=0.005)
    assert (found[:, 0] < values.mean(axis=0)).all() and (values.mean(axis=0) < found[:, 1]).all()


def test_one_query_a_patent_is_scipys_bootstrap():
    values = np.random.default_rng(3).random((150, 1))
    expected = bootstrap((values[:, 0],), np.mean, n_resamples=20000, method="percentile", rng=4).confidence_interval
    np.testing.assert_allclose(bootstrap_intervals(values, np.arange(150), 20000, 5)[0], expected, atol=0.003)


def test_queries_of_a_patent_count_as_one_draw():
    """Five copies of every query add no information: the interval must not shrink."""
    values, groups = clustered(80)
    once = bootstrap_intervals(values, groups, 5000, 0)
    np.testing.assert_allclose(bootstrap_intervals(np.repeat(values, 5, 0), np.repeat(groups, 5), 5000, 0), once, rtol=1e-12)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng, held = np.random.default_rng(6), 0
    for trial in range(300):
        values = rng.random((60, 1))
        low, high = bootstrap_intervals(values, np.arange(60), 400, trial)[0]
        held += low <= 0.5 <= high
    assert 0.90 <= held / 300 <= 0.98


def test_a_seed_repeats_and_another_differs():
    values, groups = clustered(40)
    first = bootstrap_intervals(values, groups, 250, 7)
    np.testing.assert_array_equal(bootstrap_intervals(values, groups, 250, 7), first)
    assert (bootstrap_intervals(values, groups, 250, 8) != first).any()


@pytest.mark.parametrize("queries, expected", [(0, np.nan), (1, 0.25)])
def test_nothing_to_draw_from(queries, expected):
    found = bootstrap_intervals(np.full((queries, 3), 0.25), ["a"] * queries, 10, 0)
    np.testing.assert_array_equal(found, np.full((3, 2), expected))
