"""Nearest rows, with FAISS and without, against a stable sort in float64 and the reference."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from fastpatent.errors import DataError
from fastpatent.retrieval import index
from fastpatent.retrieval.index import rank_top

METRICS = ("cosine", "euclidean", "normalized_euclidean")


@pytest.fixture(params=[True, False], ids=["faiss", "no faiss"], autouse=True)
def faiss_there(request, monkeypatch):
    if not request.param:
        monkeypatch.setitem(sys.modules, "faiss", None)  # an import that fails
    return request.param


def test_faiss_searches_on_the_cpu_only(faiss_there, monkeypatch):
    calls = []
    answer = SimpleNamespace(indices="indices", scores="scores")
    monkeypatch.setattr(index, "rank", lambda *_, metric, device: calls.append((metric, device)) or answer)
    for device in ("cpu", "cuda:1"):
        indices, _ = rank_top(np.eye(3), np.eye(3), 3, "euclidean", device=device)
        assert (indices is answer.indices) == (not faiss_there or device == "cuda:1"), device
    assert calls == [("euclidean", device) for device in ("cpu", "cuda:1")[faiss_there:]]


def test_order_meets_the_reference(ranking):
    for metric in ["cosine", "euclidean"]:
        indices, _ = rank_top(ranking["query"], ranking["gallery"], 10, metric)
        np.testing.assert_array_equal(indices, ranking[f"{metric}.order"], err_msg=f"{metric=}")


@pytest.mark.parametrize("queries, rows, k", [(1, 1, 1), (1, 50, 7), (40, 3000, 10), (25, 60, 60)])
def test_nearest_rows_meet_a_sort_in_float64(float64_scores, clustered, queries, rows, k):
    for metric in METRICS:
        query, gallery, _, _ = clustered(queries, rows, 32, 10)
        truth = float64_scores(query, gallery, metric)
        indices, scores = rank_top(query, gallery, k, metric)
        assert indices.dtype == np.int64 and scores.dtype == np.float32, metric
        np.testing.assert_array_equal(indices, np.argsort(-truth, axis=1, kind="stable")[:, :k], err_msg=f"{metric=}")
        np.testing.assert_allclose(scores, np.take_along_axis(truth, indices, 1), atol=2e-4, err_msg=f"{metric=}")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("memory", [1, index.DEFAULT_MEMORY])
def test_ties_go_to_the_lower_index(float64_scores, few_values, metric, memory, monkeypatch):
    for k in (1, 3, 10, 200):
        monkeypatch.setattr(index, "GALLERY_MULTIPLE", 64)
        query, gallery = few_values(30, 8), few_values(400, 8)
        truth = np.round(float64_scores(query, gallery, metric), 9)
        indices, _ = rank_top(query, gallery, k, metric, memory)
        np.testing.assert_array_equal(indices, np.argsort(-truth, axis=1, kind="stable")[:, :k], err_msg=f"{k=}")


def test_memory_does_not_change_a_bit(clustered):
    for metric in METRICS:
        query, gallery, _, _ = clustered(64, 3100, 48, 30)
        gallery[[40, 2000, 3050]] = gallery[3]
        for small, large in zip(rank_top(query, gallery, 12, metric, memory=1), rank_top(query, gallery, 12, metric)):
            np.testing.assert_array_equal(small, large, err_msg=f"{metric=}")


def test_a_gallery_of_one_repeated_row_is_taken_in_order(rng):
    for metric in METRICS:
        for rows in [2, 3000]:
            gallery = np.repeat(rng.standard_normal((1, 20)).astype(np.float32), rows, axis=0)
            indices, scores = rank_top(rng.standard_normal((25, 20)), gallery, 10, metric)
            np.testing.assert_array_equal(indices, np.tile(np.arange(min(10, rows)), (25, 1)), err_msg=f"{metric=}, {rows=}")
            assert np.isfinite(scores).all(), f"{metric=}, {rows=}"


def test_zero_rows_are_ranked_by_index_with_score_zero(rng):
    indices, scores = rank_top(np.zeros((2, 4)), rng.standard_normal((30, 4)), 5)
    np.testing.assert_array_equal(indices, np.tile(np.arange(5), (2, 1)))
    np.testing.assert_array_equal(scores, 0)


def test_k_is_clipped_to_the_gallery_and_nothing_may_be_empty():
    for queries, rows, k, shape in ((3, 4, 10, (3, 4)), (0, 4, 2, (0, 2)), (3, 0, 2, (3, 0))):
        indices, scores = rank_top(np.ones((queries, 2)), np.ones((rows, 2)), k)
        assert indices.shape == scores.shape == shape, f"{queries=}, {rows=}, {k=}, {shape=}"


def test_k_below_one_is_refused():
    with pytest.raises(DataError, match="k must be at least 1, not 0"):
        rank_top(np.ones((1, 2)), np.ones((1, 2)), 0)
