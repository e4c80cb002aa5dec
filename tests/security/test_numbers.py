"""Features that are finite but too large or small, searches too wide for the memory, wrong calls of the compiled kernel."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastpatent.data.impact.figure_captions import figure_descriptions
from fastpatent.errors import DataError
from fastpatent.evaluation.combined import combine
from fastpatent.retrieval import free_memory
from fastpatent.retrieval.distance import LONGEST, SHORTEST
from fastpatent.retrieval.expansion import expand_queries
from fastpatent.retrieval.growth import rank_growing
from fastpatent.retrieval.index import rank_top
from fastpatent.retrieval.ranking import rank
from fastpatent.retrieval.reranking import reciprocal_similarity
from fastpatent.retrieval.whitening import learn_whitening

METRICS = pytest.mark.parametrize("metric", ["cosine", "euclidean", "normalized_euclidean"])
USES = {
    "rank": lambda query, gallery: rank(query, gallery, 3, metric="euclidean"),
    "rank_top": lambda query, gallery: rank_top(query, gallery, 3, metric="euclidean"),
    "rank_growing": lambda query, gallery: rank_growing(query, gallery, gallery[:0], (["a"] * 4, ["a"] * 9), [9]),
    "expand_queries": expand_queries,
    "reciprocal_similarity": reciprocal_similarity,
    "learn_whitening": lambda query, gallery: learn_whitening(gallery),
    "combine": lambda query, gallery: combine(gallery[:4], query, 0.5),
}


def features(norm):
    """Return float32 queries [4, 8] and gallery [9, 8] whose rows have this norm."""
    rows = np.random.default_rng(0).standard_normal((13, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True) * norm).astype(np.float32)
    return rows[:4], rows[4:]


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("value", [3.1e37, 3e38])
def test_features_whose_norm_overflows_are_refused(use, value):
    query, gallery = features(1)
    gallery[2] = value
    with pytest.raises(DataError, match=r"row 2 of the (query |gallery )?features is longer than (1e\+18|8\.51e\+37), "):
        use(query, gallery)


@pytest.mark.parametrize("metric", ["euclidean", "normalized_euclidean"])
def test_features_whose_squares_vanish_are_refused_and_blank_ones_are_not(metric):
    query, gallery = features(1)
    gallery[2], gallery[3] = 0, gallery[3] * 0.9 * SHORTEST[metric]
    with pytest.raises(DataError, match="row 3 of the gallery features is not zero but shorter than 1e-10, too short for"):
        rank(query, gallery, 3, metric=metric)
    assert rank(query, gallery[:3], 3, metric=metric).scores.shape == (4, 3)


@METRICS
@pytest.mark.parametrize("longest", [True, False])
def test_the_longest_and_shortest_features_are_ranked_as_by_the_formula(metric, longest):
    """Opposite rows too, whose squared distance is largest."""
    query, gallery = features(0.99 * LONGEST[metric] if longest else max(1e-37, 1.01 * SHORTEST[metric]))
    gallery[0] = -query[0]
    found = rank(query, gallery, 9, (["a", "b", "c", "a"], list("abcabcabc")), metric=metric)
    far, near = query.astype(np.float64)[:, None], gallery.astype(np.float64)[None]
    scores = (far * near).sum(2) if metric == "cosine" else -((far - near) ** 2).sum(2)
    np.testing.assert_array_equal(found.indices, np.argsort(-scores, axis=1))
    assert np.isfinite(found.scores).all() and 0 < found.metrics.summary["mAP"] <= 1
    if metric != "normalized_euclidean":
        np.testing.assert_array_equal(np.sort(rank_top(query, gallery, 9, metric)[0]), np.tile(np.arange(9), (4, 1)))


def test_equal_but_for_subnormal_numbers_is_equal_for_whitening():
    with pytest.raises(DataError, match="all the same"):
        learn_whitening(features(1e-40)[1])


def test_more_neighbours_than_fit_in_memory_are_refused(monkeypatch):
    query, gallery = features(1)
    monkeypatch.setattr(free_memory, "free_bytes", lambda device="cpu": 24 * 4 * 9 - 1)
    for use in (rank, expand_queries, reciprocal_similarity):
        with pytest.raises(DataError, match=r"the \d+ nearest of \d+ rows take .* GiB, and .* are free"):
            use(query, gallery, 10**18)


def test_a_figure_of_five_thousand_digits_is_none():
    assert figure_descriptions([f"FIG. {'9' * 5000} is a view", "FIG. 2 is a side"]) == {2: "FIG. 2 is a side"}


@pytest.mark.skipif(sys.platform == "win32", reason="guard pages are made by mprotect")
def test_no_call_of_the_compiled_kernel_reads_or_writes_outside_its_arrays():
    """Every array ends where a page begins that cannot be read: a step outside ends the process."""
    pytest.importorskip("fastpatent.retrieval._rank", reason="the rank kernel was not built")
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("kernel_fuzz.py")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stderr}"
    refused, compared = map(int, done.stdout.split())
    assert refused > 1000 and compared > 1000
