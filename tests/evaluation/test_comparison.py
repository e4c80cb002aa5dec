"""The paired bootstrap against loops and scipy, its coverage, and the queries that changed the most."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from fastpatent.evaluation.comparison import compare, largest_changes, shared_rows


def two_systems(patents, seed=0, gain=0.03):
    """AP of two systems on 1 to 3 correlated queries per patent: B is A with some noise and a gain."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(patents), rng.integers(1, 4, patents))
    rng.shuffle(groups)
    level = rng.random(patents)[groups]
    a = np.clip(level + 0.1 * rng.standard_normal(len(groups)), 0, 1)
    b = np.clip(a + gain + 0.05 * rng.standard_normal(len(groups)), 0, 1)
    same = rng.random(len(groups)) < 0.2
    b[same] = a[same]
    return a, b, groups


def of(values):
    """The figures of a system by its AP."""
    return {"mAP": values, "Acc@1": (values > 0.5).astype(float)}


def by_loops(a, b, groups, resamples, seed):
    """95% interval of the difference of two means, the patents of each resample the same for both."""
    rng, found = np.random.default_rng(seed), []
    rows = {group: [row for row, other in enumerate(groups) if other == group] for group in sorted(set(groups))}
    for _ in range(resamples):
        drawn = [row for group in rng.choice(list(rows), len(rows)) for row in rows[group]]
        found.append(sum(b[row] for row in drawn) / len(drawn) - sum(a[row] for row in drawn) / len(drawn))
    return np.quantile(found, [0.025, 0.975])


def test_intervals_meet_plain_resampling_of_patents():
    a, b, groups = two_systems(60)
    found = compare(of(a), of(b), groups, 20000, 1)
    for name, one, other in (("mAP", a, b), ("Acc@1", a > 0.5, b > 0.5)):
        figure = found.figures[name]
        assert (figure.a, figure.b) == pytest.approx((one.mean(), other.mean()))
        assert figure.change.mean == pytest.approx(other.mean() - one.mean())
        expected = by_loops(one.astype(float), other.astype(float), groups, 4000, 2)
        np.testing.assert_allclose(figure.change[1:], expected, atol=0.004)
    assert found.figures["mAP"].excludes_zero
    signs = [(y > x) - (y < x) for x, y in zip(a.tolist(), b.tolist())]
    assert (found.queries, found.patents) == (len(a), 60)
    assert (found.better, found.equal, found.worse) == tuple(signs.count(sign) for sign in (1, 0, -1))


def test_with_one_query_per_patent_it_is_the_paired_bootstrap_of_scipy():
    rng = np.random.default_rng(3)
    a = rng.random(150)
    b = np.clip(a + 0.1 * rng.standard_normal(150), 0, 1)

    def difference(one, other, axis=-1):
        return other.mean(axis) - one.mean(axis)

    expected = bootstrap((a, b), difference, paired=True, n_resamples=20000, method="percentile", rng=4).confidence_interval
    found = compare(of(a), of(b), np.arange(150), 20000, 5).figures["mAP"].change
    np.testing.assert_allclose(found[1:], expected, atol=0.0008)
    unpaired = bootstrap((a, b), difference, n_resamples=2000, method="percentile", rng=4).confidence_interval
    assert unpaired[1] - unpaired[0] > 3 * (found.high - found.low)  # what pairing is for


def test_equal_systems_differ_in_nothing_and_their_interval_does_not_exclude_zero():
    a, _, groups = two_systems(20)
    found = compare(of(a), of(a), groups, 50, 0)
    assert found.equal == found.queries and found.better == found.worse == 0
    assert all(figure.change == (0, 0, 0) and not figure.excludes_zero for figure in found.figures.values())


@pytest.mark.parametrize("patents, known", [(1, False), (9, False), (10, True)])
def test_few_patents_have_no_interval(patents, known):
    rows = np.arange(2 * patents)
    a, b = rows / 100, rows / 100 + 0.5
    found = compare(of(a), of(b), rows // 2, 50, 0).figures["mAP"]
    assert found.change.mean == pytest.approx(0.5)
    assert np.isfinite(found.change[1:]).tolist() == [known, known] and found.excludes_zero == known


def test_it_seldom_finds_a_difference_where_there_is_none():
    """Noise without a gain: about one interval in twenty excludes 0, for changes and not only for means."""
    rng, wrong = np.random.default_rng(8), 0
    for trial in range(300):
        a = rng.random(60)
        found = compare({"mAP": a}, {"mAP": a + 0.1 * rng.standard_normal(60)}, np.arange(60), 300, trial)
        wrong += found.figures["mAP"].excludes_zero
    assert 0.02 <= wrong / 300 <= 0.10


def test_the_largest_changes_are_of_different_patents():
    change = np.array([0.1, 0.5, 0.4, -0.2, 0.0, -0.3, 0.4, -0.9])
    patents = np.array(["a", "b", "b", "c", "d", "e", "f", "e"])
    gains, losses = largest_changes(change, patents, 3)
    assert (gains.tolist(), losses.tolist()) == ([1, 6, 0], [7, 3])
    assert [rows.tolist() for rows in largest_changes(np.zeros(3), patents[:3], 3)] == [[], []]


def test_shared_rows_are_in_the_order_of_the_first():
    a, b = shared_rows(["x", "y", "z", "x"], ["z", "w", "x"])
    assert [("x", "y", "z", "x")[row] for row in a] == [("z", "w", "x")[row] for row in b] == ["x", "z"]
    assert shared_rows(["x"], ["y"])[0].tolist() == []
