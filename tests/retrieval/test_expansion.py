"""Query expansion against the reference and against the published loop, row by row in float64."""

import numpy as np
import pytest

from fastpatent.errors import DataError
from fastpatent.retrieval.expansion import expand_queries
from fastpatent.retrieval.index import rank_top
from fastpatent.retrieval.metrics import rank_metrics


def expand_by_rows(cosines, query, gallery, k, alpha, rounds):
    """Return the expanded (query, gallery) by a full sort of every row of `cosines(features, features, "cosine")`."""
    features = np.concatenate([query, gallery]).astype(np.float64)
    for _ in range(rounds):
        expanded = []
        for similarities in cosines(features, features, "cosine"):
            nearest = np.argsort(-similarities, kind="stable")[:k]
            weights = np.maximum(similarities[nearest], 0) ** alpha
            expanded.append((weights[:, None] * features[nearest]).mean(axis=0))
        features = np.array(expanded)
    return features[: len(query)], features[len(query) :]


@pytest.mark.parametrize("k, alpha, rounds", [(5, 2.0, 1), (5, 2.0, 2), (10, 3.0, 1)])
def test_expansion_meets_the_reference(ranking, k, alpha, rounds):
    name = f"aqe_k{k}_a{alpha}_t{rounds}"
    query, gallery = expand_queries(ranking["query"], ranking["gallery"], k, alpha, rounds)
    np.testing.assert_allclose(query, ranking[f"{name}.query"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gallery, ranking[f"{name}.gallery"], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(rank_top(query, gallery, 10)[0], ranking[f"{name}.order"])
    metrics = rank_metrics(query, gallery, ranking["query_labels"].astype(str), ranking["gallery_labels"].astype(str))
    np.testing.assert_allclose(metrics.average_precision, ranking[f"{name}.AP"], rtol=1e-12)


@pytest.mark.parametrize("k, alpha, rounds", [(1, 2.0, 1), (4, 0.0, 1), (4, 0.5, 3), (500, 3.0, 1)])
def test_expansion_meets_the_published_loop(float64_scores, clustered, k, alpha, rounds):
    query, gallery, _, _ = clustered(12, 90, 16, 8)
    found = expand_queries(query, gallery, k, alpha, rounds)
    for rows, truth in zip(found, expand_by_rows(float64_scores, query, gallery, k, alpha, rounds)):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows, truth, rtol=1e-4, atol=1e-5)


def test_memory_does_not_change_a_bit(clustered):
    query, gallery, _, _ = clustered(100, 2500, 24, 50)
    for small, large in zip(expand_queries(query, gallery, memory=1), expand_queries(query, gallery)):
        np.testing.assert_array_equal(small, large)


def test_zero_rows_and_opposite_rows_stay_finite():
    rows = np.array([[0, 0], [1, 0], [-1, 0]], np.float32)
    query, gallery = expand_queries(rows, rows[:1], k=4, alpha=0.5)
    np.testing.assert_allclose(query, [[0, 0], [0.25, 0], [-0.25, 0]])
    np.testing.assert_array_equal(gallery, [[0, 0]])


def test_features_are_not_changed_and_one_side_may_be_empty(rng):
    query = rng.standard_normal((6, 4)).astype(np.float32)
    before = query.copy()
    expanded, nothing = expand_queries(query, np.zeros((0, 4)), k=2)
    np.testing.assert_array_equal(query, before)
    assert expanded.shape == (6, 4) and nothing.shape == (0, 4)


@pytest.mark.parametrize("settings", [{"rounds": 0}, {"alpha": -1.0}, {"k": 0}])
def test_settings_without_a_meaning_are_refused(settings):
    with pytest.raises(DataError):
        expand_queries(np.ones((2, 2)), np.ones((2, 2)), **settings)
