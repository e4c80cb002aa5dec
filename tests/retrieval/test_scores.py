"""Scores against float64, and their bits against how they were asked for."""

import numpy as np
import pytest

from fastpatent.retrieval import scores as scores_module
from fastpatent.retrieval.scores import score_strips

METRICS = pytest.mark.parametrize("metric", ["cosine", "euclidean"])


def whole(query, gallery, metric):
    """Return all strips joined."""
    parts = [np.zeros((0, len(gallery)), np.float32)]
    for start, strip in score_strips(query, gallery, metric):
        assert start == sum(map(len, parts))
        parts.append(strip.copy())
    return np.concatenate(parts)


@METRICS
@pytest.mark.parametrize("queries, rows", [(1, 1), (3, 1025), (513, 40), (0, 5), (5, 0)])
def test_scores_meet_the_formula(rng, float64_scores, metric, queries, rows):
    query, gallery = (rng.standard_normal((count, 16)).astype(np.float32) for count in (queries, rows))
    truth = float64_scores(query, gallery, metric)
    found = whole(query, gallery, metric)
    if metric == "euclidean" and truth.size:
        truth = -(truth**2)
        found = found + (truth[:, :1] - found[:, :1])
    np.testing.assert_allclose(found, truth, atol=1e-4)


@METRICS
def test_a_score_does_not_depend_on_the_other_queries(rng, metric):
    query, gallery = (rng.standard_normal((count, 100)).astype(np.float32) for count in (600, 1500))
    chosen = rng.permutation(600)[:77]
    np.testing.assert_array_equal(whole(query[chosen], gallery, metric), whole(query, gallery, metric)[chosen])


@METRICS
def test_equal_gallery_rows_tie_exactly_wherever_they_lie(rng, metric):
    query, gallery = (rng.standard_normal((count, 100)).astype(np.float32) for count in (9, 2100))
    gallery[[5, 1023, 2047, 2048, 2099]] = gallery[0]
    found = whole(query, gallery, metric)
    np.testing.assert_array_equal(found[:, [5, 1023, 2047, 2048, 2099]], np.repeat(found[:, :1], 5, axis=1))


@METRICS
def test_tiles_of_any_shape_give_the_same_scores(few_values, metric, monkeypatch):
    query, gallery = few_values(50, 12), few_values(130, 12)
    query[0], gallery[1] = 0, 0
    expected = whole(query, gallery, metric)
    monkeypatch.setattr(scores_module, "TILE_QUERIES", 16)
    monkeypatch.setattr(scores_module, "TILE_GALLERY", 32)
    np.testing.assert_allclose(whole(query, gallery, metric), expected, atol=1e-6)
