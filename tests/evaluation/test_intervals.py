"""Intervals over patents against scipy, against resampling in loops, and their coverage."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from fastpatent.evaluation.intervals import bootstrap_intervals, mean_figures, patent_codes


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


def test_intervals_meet_plain_resampling():
    values, groups = clustered(80)
    found, expected = bootstrap_intervals(values, groups, 20000, 1), by_loops(values, groups, 20000, 2)
    np.testing.assert_allclose(found, expected, atol=0.005)
    assert (found[:, 0] < values.mean(axis=0)).all() and (values.mean(axis=0) < found[:, 1]).all()


def test_with_one_query_per_patent_it_is_the_bootstrap_of_scipy():
    values = np.random.default_rng(3).random((150, 1))
    expected = bootstrap((values[:, 0],), np.mean, n_resamples=20000, method="percentile", rng=4).confidence_interval
    np.testing.assert_allclose(bootstrap_intervals(values, np.arange(150), 20000, 5)[0], expected, atol=0.003)


def test_queries_of_a_patent_count_as_one_draw():
    """Five copies of every query add no information: the interval must not shrink."""
    values, groups = clustered(80)
    once = bootstrap_intervals(values, groups, 5000, 0)
    np.testing.assert_allclose(bootstrap_intervals(np.repeat(values, 5, 0), np.repeat(groups, 5), 5000, 0), once, rtol=1e-12)


def test_95_percent_intervals_contain_the_truth_about_as_often():
    rng, contained = np.random.default_rng(6), 0
    for trial in range(300):
        values = rng.random((60, 1))
        low, high = bootstrap_intervals(values, np.arange(60), 400, trial)[0]
        contained += low <= 0.5 <= high
    assert 0.90 <= contained / 300 <= 0.98


def test_a_seed_repeats_and_another_differs():
    values, groups = clustered(40)
    first = bootstrap_intervals(values, groups, 250, 7)
    np.testing.assert_array_equal(bootstrap_intervals(values, groups, 250, 7), first)
    assert (bootstrap_intervals(values, groups, 250, 8) != first).any()


def test_no_query_or_one():
    for queries, expected in ((0, np.nan), (1, 0.25)):
        found = bootstrap_intervals(np.full((queries, 3), 0.25), ["a"] * queries, 10, 0)
        np.testing.assert_array_equal(found, np.full((3, 2), expected))
        assert np.array_equal(
            mean_figures(np.full((queries, 3), 0.25), ["a"] * queries, 10, 0), np.full((3, 3), expected), True
        )


def test_a_figure_is_a_mean_with_its_interval():
    values, groups = clustered(40)
    for column, figure in enumerate(mean_figures(values, groups, 300, 5)):
        assert figure.mean == pytest.approx(values[:, column].mean())
        np.testing.assert_array_equal(figure[1:], bootstrap_intervals(values, groups, 300, 5)[column])


def test_codes_of_patents_are_numbered_in_order_and_none_is_a_patent_of_its_own():
    assert patent_codes(["b", None, "a", "b", None, "0"]).tolist() == [0, 1, 2, 0, 3, 4]
    assert patent_codes([]).dtype == np.int64
