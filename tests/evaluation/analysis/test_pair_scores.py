"""Scores of all pairs, against dense float64 matrices, SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from fastpatent.evaluation.analysis import pair_scores as module
from fastpatent.evaluation.analysis.pair_scores import BINS, pair_scores
from fastpatent.evaluation.features import Features
from fastpatent.retrieval import score_tiles
from fastpatent.retrieval.torch_kernel import TorchKernel

QUERIES, GALLERY, PEOPLE = 70, 150, 20


def dense(query, gallery, metric):
    """float64 [queries, gallery]: cosines, or negative distances."""
    if metric == "cosine":
        return 1 - cdist(query, gallery, "cosine")
    distance = cdist(query, gallery)
    if metric == "normalized_euclidean":
        distance /= np.linalg.norm(query, axis=1)[:, None] + np.linalg.norm(gallery, axis=1)
    return -distance


@pytest.mark.parametrize("kernel", ["compiled", "torch"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "normalized_euclidean"])
def test_distributions_and_best_pairs_are_those_of_the_dense_matrix(metric, kernel, monkeypatch):
    monkeypatch.setattr(score_tiles, "TILE", 32)
    monkeypatch.setattr("fastpatent.retrieval.relevance.TILE", 32)
    if kernel == "torch":
        monkeypatch.setattr(module, "choose_kernel", TorchKernel)
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (PEOPLE, 16))
    codes = rng.integers(0, PEOPLE, QUERIES), rng.integers(0, PEOPLE, GALLERY)
    query, gallery = (centres[code] + rng.normal(0, 0.8, (len(code), 16)) for code in codes)
    names = [[f"p{code}" if place % 9 else None for place, code in enumerate(side)] for side in codes]
    found = pair_scores(Features("x", np.float32(query), np.float32(gallery), metric), names, 7)

    scores = dense(query, gallery, metric)
    same = np.array([[one == other and one is not None for other in names[1]] for one in names[0]])
    known = np.array([name is not None for name in names[0]])
    pairs = {"right": scores[same], "wrong": scores[known][~same[known]], "unknown": scores[~known].ravel()}
    for name, values in pairs.items():
        counts = getattr(found, name)
        assert counts.sum() == len(values) and found.edges[0] <= values.min() and values.max() <= found.edges[-1]
        expected = np.histogram(values, found.edges)[0]
        assert np.abs(np.cumsum(counts) - np.cumsum(expected)).max() <= 2  # float32 at the edge of a bin
    best = np.where(same.any(1), np.where(same, scores, -np.inf).max(1), np.nan)
    np.testing.assert_allclose(found.best_right, best, atol=2e-3 if metric == "euclidean" else 2e-5)
    np.testing.assert_allclose(np.take_along_axis(scores, found.nearest, 1), found.scores, atol=1e-3)
    np.testing.assert_allclose(found.scores, -np.sort(-scores, axis=1)[:, :7], atol=1e-3)

    width = max(counts.max() / counts.sum() for counts in (found.right, found.wrong))
    threshold, overlap = found.overlap
    assert overlap == pytest.approx(
        1 - ks_2samp(pairs["wrong"], pairs["right"], alternative="greater", method="asymp").statistic, abs=width
    )
    assert overlap == pytest.approx((pairs["right"] < threshold).mean() + (pairs["wrong"] >= threshold).mean(), abs=width)
    truth = [0] * len(pairs["wrong"]) + [1] * len(pairs["right"])
    area = roc_auc_score(truth, np.concatenate([pairs["wrong"], pairs["right"]]))
    assert found.separation == pytest.approx(area, abs=width)
    middle = float(np.median(pairs["right"]))
    assert found.share_of_right_below(middle) == pytest.approx(0.5, abs=0.03)


def test_a_set_without_identities_has_unknown_pairs_only():
    rows = np.float32(np.eye(5))
    found = pair_scores(Features("x", rows[:2], np.zeros((3, 5), np.float32)), [[None] * 2, [None] * 3])
    assert (found.right.sum(), found.wrong.sum(), found.unknown.sum()) == (0, 0, 6)
    assert found.unknown[BINS // 2] == 6 and np.isnan(found.best_right).all()  # a zero row has the cosine 0
    assert np.isnan(found.overlap).all() and np.isnan(found.separation) and found.share_of_right_below(0.5) == 0
