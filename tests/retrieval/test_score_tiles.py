"""Scores of tiles against float64, and bit-identical scores for any tiles and orders."""

import numpy as np
import pytest
import scipy.sparse

from fastpatent.retrieval import score_tiles as tiles_module
from fastpatent.retrieval.kernel import choose_kernel
from fastpatent.retrieval.score_tiles import Rows, ScoreTiles
from fastpatent.retrieval.torch_kernel import TorchKernel

METRICS = ("cosine", "euclidean", "normalized_euclidean")


def whole(query, gallery, metric, orders=(None, None), kernel=None, **options):
    """Return the scores of all tiles as one matrix, in the original row order."""
    orders = [np.arange(len(rows)) if order is None else order for rows, order in zip((query, gallery), orders)]
    tiles = ScoreTiles(query, Rows(gallery, kernel or choose_kernel(), orders[1]), orders[0], metric, **options)
    found = np.full((len(query), len(gallery)), np.nan, np.float32)
    for outer in range(tiles.query.tiles):
        rows = tiles.take(outer)
        for inner in range(tiles.gallery.tiles):
            columns = tiles.gallery.indices(inner)
            found[np.ix_(rows, columns)] = tiles.against(inner)[: len(rows), : len(columns)]
    return found


@pytest.mark.parametrize("queries, rows", [(1, 1), (3, 1025), (1030, 40), (0, 5), (5, 0)])
def test_scores_meet_the_formula(rng, float64_scores, queries, rows):
    for metric in METRICS:
        query, gallery = (rng.standard_normal((count, 16)).astype(np.float32) for count in (queries, rows))
        truth = float64_scores(query, gallery, metric)
        found = whole(query, gallery, metric)
        if metric == "euclidean" and truth.size:
            truth = -(truth**2)
            found = found + (truth[:, :1] - found[:, :1])
        if metric == "normalized_euclidean":
            truth = 1 - truth**2
        np.testing.assert_allclose(found, truth, atol=1e-4, err_msg=f"{metric=}")


def test_a_score_does_not_depend_on_the_other_queries_or_the_order(rng):
    for metric in METRICS:
        query, gallery = (rng.standard_normal((count, 100)).astype(np.float32) for count in (1300, 2500))
        expected = whole(query, gallery, metric)
        chosen = rng.permutation(1300)[:77]
        np.testing.assert_array_equal(whole(query[chosen], gallery, metric), expected[chosen], err_msg=f"{metric=}")
        orders = rng.permutation(1300), rng.permutation(2500)
        np.testing.assert_array_equal(whole(query, gallery, metric, orders), expected, err_msg=f"{metric=}")


def test_equal_gallery_rows_tie_exactly_wherever_they_lie(rng):
    for metric in METRICS:
        query, gallery = (rng.standard_normal((count, 100)).astype(np.float32) for count in (9, 2100))
        equal = [5, 1023, 1024, 2047, 2048, 2099]
        gallery[equal] = gallery[0]
        found = whole(query, gallery, metric)
        np.testing.assert_array_equal(found[:, equal], np.repeat(found[:, :1], len(equal), axis=1), err_msg=f"{metric=}")


@pytest.mark.parametrize("kernel", ["compiled", "torch"])
def test_tiles_of_any_size_give_the_same_scores(few_values, kernel, monkeypatch):
    for metric in METRICS:
        query, gallery = few_values(50, 12), few_values(130, 12)
        query[0], gallery[1] = 0, 0
        expected = whole(query, gallery, metric)
        with monkeypatch.context() as patched:
            patched.setattr(tiles_module, "TILE", 32)
            found = whole(query, gallery, metric, kernel=choose_kernel() if kernel == "compiled" else TorchKernel("cpu"))
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=f"{metric=}")


@pytest.mark.parametrize("make", [choose_kernel, lambda: TorchKernel("cpu")])
def test_a_sparse_bonus_is_added_to_the_scaled_cosine(rng, float64_scores, make):
    query, gallery = (rng.standard_normal((count, 16)).astype(np.float32) for count in (1030, 2050))
    bonus = scipy.sparse.random(1030, 2050, 0.01, "csr", np.float32, rng=rng)
    orders = rng.permutation(1030), rng.permutation(2050)
    found = whole(query, gallery, "cosine", orders, make(), scale=0.3, bonus=bonus)
    np.testing.assert_allclose(found, 0.3 * float64_scores(query, gallery, "cosine") + bonus.toarray(), atol=1e-6)


def test_a_tile_is_copied_only_where_it_must_be(rng):
    pytest.importorskip("fastpatent.retrieval._rank", reason="the rank kernel was not built: PyTorch copies every tile")
    features = rng.standard_normal((2500, 8)).astype(np.float32)
    rows = Rows(features, choose_kernel())
    assert [np.shares_memory(rows.tile(number), features) for number in range(rows.tiles)] == [True, True, False]
    np.testing.assert_array_equal(rows.tile(2)[452:], 0)
