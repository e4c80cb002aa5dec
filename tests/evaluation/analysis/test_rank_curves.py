"""Curves over the rank, against a loop over queries and ranks."""

import numpy as np

from fastpatent.evaluation.analysis.rank_curves import rank_curves
from fastpatent.retrieval.metrics import RankMetrics


def test_the_curves_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    relevant = np.array([3, 0, 1, 7, 2])
    of_query = [np.sort(rng.choice(40, count, replace=False)) + 1 for count in relevant]
    found = rank_curves(RankMetrics(np.concatenate(of_query), relevant), 25)
    for k in range(1, 26):
        hits = [(ranks <= k).sum() for ranks in of_query if len(ranks)]
        sizes = [len(ranks) for ranks in of_query if len(ranks)]
        expected = [
            np.mean([hit / k for hit in hits]),
            np.mean([min(size, k) / k for size in sizes]),
            np.mean([hit / size for hit, size in zip(hits, sizes)]),
            np.mean([hit > 0 for hit in hits]),
        ]
        np.testing.assert_allclose([curve[k - 1] for curve in found], expected, rtol=1e-12)


def test_nothing_to_find_has_no_curve():
    assert np.isnan(rank_curves(RankMetrics(np.zeros(0, np.int64), np.array([0, 0])), 5)).all()
