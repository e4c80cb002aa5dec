"""Rankings of features with everything that TEST may ask for, against dense matrices."""

from itertools import product

import numpy as np
import pytest

from fastpatent.config import get_cfg
from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.retrieval import processings, rank_features
from fastpatent.retrieval.expansion import expand_queries
from fastpatent.retrieval.reranking import reciprocal_similarity


@pytest.fixture
def labelled():
    """Features of 20 queries and 200 gallery rows, dim 16, around 30 centres; and the labels."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 30, 220)
    rows = (rng.standard_normal((30, 16))[labels] + 0.7 * rng.standard_normal((220, 16))).astype(np.float32)
    return Features("net", rows[:20], rows[20:]), labels


def splits_of(labels, known=True):
    """Splits of 20 queries and the rest, with identities or without."""
    samples = [Sample(f"{number}.png", f"design{label}" if known else None) for number, label in enumerate(labels)]
    return Splits("toy", [], samples[:20], samples[20:])


def cosine_distance(query, gallery):
    """float64 [queries, gallery]."""
    query, gallery = (side / np.linalg.norm(side.astype(np.float64), axis=1, keepdims=True) for side in (query, gallery))
    return 1 - query @ gallery.T


@pytest.mark.parametrize("known", [True, False])
def test_reranked_distance_is_the_published_sum(labelled, known):
    features, labels = labelled
    for weight, expansion in product((0.0, 0.3, 1.0), (None, {"k": 3, "alpha": 2.0})):
        case = f"weight {weight}, expansion {expansion}"
        reranking = {"k1": 8, "k2": 3, "weight": weight}
        compared = features._replace(metric="euclidean")
        found = rank_features(compared, splits_of(labels, known), expansion=expansion, reranking=reranking)
        query, gallery = features.query, features.gallery
        if expansion:
            query, gallery = expand_queries(query, gallery, **expansion)
        jaccard = 1 - reciprocal_similarity(query, gallery, 8, 3).toarray().astype(np.float64)
        distance = np.round((1 - weight) * jaccard + weight * cosine_distance(query, gallery), 6)
        order = np.argsort(distance, axis=1, kind="stable")
        best, truth = (np.take_along_axis(distance, ranking, 1) for ranking in (found.ranking, order[:, :10]))
        np.testing.assert_allclose(best, truth, atol=2e-6, err_msg=case)
        assert (found.metrics is None) == (not known)
        if known:
            relevant = labels[20:][order] == labels[:20, None]
            places = np.arange(1, 201)
            truth = [(np.cumsum(row) / places)[row].mean() for row in relevant if row.any()]
            assert found.summary["mAP"] == pytest.approx(np.mean(truth), abs=1e-3 if weight else 0.02), case


def test_the_ranking_does_not_depend_on_whether_it_is_measured(labelled):
    features, labels = labelled
    for metric in ("cosine", "euclidean"):
        measured, bare = (
            rank_features(features._replace(metric=metric), splits_of(labels, known)) for known in (True, False)
        )
        np.testing.assert_array_equal(measured.ranking, bare.ranking, err_msg=metric)
        assert bare.summary == {} and measured.summary["queries"] == 20


def test_an_expanded_ranking_is_by_cosine(labelled):
    features, labels = labelled
    expansion = {"k": 3, "alpha": 2.0}
    query, gallery = expand_queries(features.query, features.gallery, **expansion)
    expected = np.argsort(cosine_distance(query, gallery), axis=1)[:, :10]
    for metric in ("cosine", "euclidean"):
        found = rank_features(features._replace(metric=metric), splits_of(labels), expansion=expansion)
        np.testing.assert_array_equal(found.ranking, expected, err_msg=metric)


def test_an_evaluation_holds_what_was_ranked(labelled):
    """Its features are those before expansion, with the metric by which they are compared."""
    features, labels = labelled
    features = features._replace(metric="euclidean")
    for known, options, name in (
        (True, {}, "net"),
        (False, {}, "net"),
        (True, {"expansion": {"k": 3, "alpha": 2.0}}, "row"),
    ):
        found = rank_features(features, splits_of(labels, known), "" if name == "net" else name, **options)
        assert found.features is features
        assert (found.name, found.splits.name, found.ranking.shape) == (name, "toy", (20, 10))


def test_processings_follow_the_configuration():
    cfg = get_cfg()
    assert processings(cfg) == [("network", {})]
    cfg.TEST.AQE.ENABLED = cfg.TEST.RERANK.ENABLED = True
    cfg.TEST.AQE.SIDE, cfg.TEST.RERANK.K1 = "query", 9
    names, settings = zip(*processings(cfg))
    assert names[1:] == (
        "network + query expansion of the query side (k 5)",
        "network + query expansion of the query side (k 5) + re-ranking (k1 9, k2 6)",
    )
    assert settings[2]["expansion"] == {"k": 5, "alpha": 3.0, "rounds": 1, "side": "query", "normalize": False}
    assert settings[2]["reranking"] == {"k1": 9, "k2": 6, "weight": 0.3}
    cfg.TEST.AQE.ENABLED = False
    assert [name for name, _ in processings(cfg)] == ["network", "network + re-ranking (k1 9, k2 6)"]
