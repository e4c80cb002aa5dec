"""Which queries a report shows."""

import numpy as np

from fastpatent.data.records import Sample
from fastpatent.report.test_report.findings import worst_queries
from fastpatent.retrieval.metrics import RankMetrics


def test_the_worst_queries_are_of_different_identities_and_have_something_to_find():
    relevant = np.array([1, 1, 2, 0, 1, 2])
    metrics = RankMetrics(np.array([4, 1, 8, 16, 4, 4, 8]), relevant)
    names = ["a", "b", "b", "c", "d", "e"]
    np.testing.assert_allclose(metrics.average_precision, [0.25, 1, 0.125, np.nan, 0.25, 0.25])
    samples = [Sample(f"{n}.png", name) for n, name in enumerate(names)]
    assert worst_queries(metrics, samples, 9).tolist() == [2, 5, 0, 4]
    assert worst_queries(metrics, samples, 2).tolist() == [2, 5]
