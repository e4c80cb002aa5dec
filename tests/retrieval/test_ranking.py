"""Rankings and metrics against the reference, scikit-learn and formulas over a full sort in float64."""

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from fastpatent.errors import DataError
from fastpatent.retrieval import ranking as ranking_module
from fastpatent.retrieval import relevance as members_module
from fastpatent.retrieval import score_tiles as tiles_module
from fastpatent.retrieval.ranking import rank
from fastpatent.retrieval.torch_kernel import TorchKernel

METRICS = ("cosine", "euclidean", "normalized_euclidean")


def rank_metrics(query, gallery, query_identities, gallery_identities, metric="cosine"):
    """Return only the metrics."""
    return rank(query, gallery, 0, (query_identities, gallery_identities), metric).metrics


def relevance_by_sort(scores, query_identities, gallery_identities):
    """Return bool arrays, one per query: whether the row at each rank is relevant, after a stable sort in float64."""
    order = np.argsort(-np.round(scores, 9), axis=1, kind="stable")
    return [np.array(gallery_identities)[row] == identity for row, identity in zip(order, query_identities)]


def precision_by_loop(relevance, depth):
    """Return AP over the first `depth` places, divided by min(relevant, depth), in a loop over the places."""
    hits, total = 0, 0.0
    for place, relevant in enumerate(relevance[:depth], 1):
        hits += relevant
        total += relevant * hits / place
    return total / min(sum(relevance), depth)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_figures_meet_the_reference(ranking, metric):
    found = rank_metrics(
        ranking["query"],
        ranking["gallery"],
        ranking["query_labels"].astype(str),
        ranking["gallery_labels"].astype(str),
        metric,
    )
    np.testing.assert_allclose(found.average_precision, ranking[f"{metric}.AP"], rtol=1e-12)
    np.testing.assert_allclose(found.inverse_negative_penalty, ranking[f"{metric}.INP"], rtol=1e-12)
    for k in (1, 5, 10, 20):
        assert found.summary[f"Acc@{k}"] == pytest.approx(ranking[f"{metric}.cmc"][k - 1], rel=1e-6)
    assert found.summary["mAP"] == pytest.approx(np.nanmean(ranking[f"{metric}.AP"]), rel=1e-12)
    assert (found.summary["queries"], found.summary["unmatched"]) == (90, 0)
    if metric == "cosine":
        np.testing.assert_allclose(found.average_precision, ranking["deeppatent.AP"], rtol=1e-12)


def test_truncated_precision_meets_the_reference(ranking):
    found = rank_metrics(
        ranking["query"],
        ranking["gallery"],
        ranking["query_labels"].astype(str),
        ranking["gallery_labels"].astype(str),
        "euclidean",
    )
    cut = found.average_precision_at(found.relevant.max()).mean()
    assert cut == pytest.approx(ranking["pml_max_bin_count.mean_average_precision"], rel=1e-12)
    assert found.summary["mAP@R"] == pytest.approx(ranking["pml_max_bin_count.mean_average_precision_at_r"], rel=1e-12)
    assert found.summary["Acc@1"] == pytest.approx(ranking["pml_max_bin_count.precision_at_1"], rel=1e-12)


@pytest.mark.parametrize(
    "metric, ties",
    # random rows at normalised distances: some differ in float64 and tie in float32
    [("cosine", False), ("cosine", True), ("euclidean", False), ("euclidean", True), ("normalized_euclidean", True)],
)
@pytest.mark.parametrize("rows", [40, 1300])
def test_figures_meet_a_sort_in_float64(float64_scores, clustered, few_values, metric, ties, rows):
    query, gallery, query_identities, gallery_identities = clustered(30, rows, 12, 6)
    if ties:
        query, gallery = few_values(30, 12), few_values(rows, 12)
    found = rank_metrics(query, gallery, query_identities, gallery_identities, metric)
    relevance = relevance_by_sort(float64_scores(query, gallery, metric), query_identities, gallery_identities)
    places = [np.flatnonzero(row) + 1 for row in relevance]
    np.testing.assert_array_equal(found.ranks, np.concatenate(places))
    np.testing.assert_array_equal(found.first_hit, [ranks[0] for ranks in places])
    np.testing.assert_allclose(found.inverse_negative_penalty, [len(ranks) / ranks[-1] for ranks in places])
    np.testing.assert_allclose(found.average_precision, [precision_by_loop(row, rows) for row in relevance])
    np.testing.assert_allclose(found.average_precision_at(10), [precision_by_loop(row, 10) for row in relevance])
    for k in (1, 5, 10, 20):
        assert found.summary[f"Acc@{k}"] == pytest.approx(np.mean([row[:k].any() for row in relevance]))
    # scikit-learn gives tied rows a common rank, so it receives the ranks with ties resolved by index.
    by_rank = -np.arange(rows)
    np.testing.assert_allclose(found.average_precision, [average_precision_score(row, by_rank) for row in relevance])


def test_precision_is_scikit_learns_where_nothing_ties(float64_scores, clustered):
    query, gallery, query_identities, gallery_identities = clustered(20, 500, 32, 5, spread=3.0)
    found = rank_metrics(query, gallery, query_identities, gallery_identities)
    truth = [
        average_precision_score(np.array(gallery_identities) == identity, scores)
        for identity, scores in zip(query_identities, float64_scores(query, gallery, "cosine"))
    ]
    np.testing.assert_allclose(found.average_precision, truth, rtol=1e-12)


def test_ranks_depend_neither_on_tiles_nor_on_the_other_queries(rng, clustered, monkeypatch):
    for metric in METRICS:
        query, gallery, query_identities, gallery_identities = clustered(600, 1500, 64, 20)
        gallery[rng.integers(0, 1500, 700)] = gallery[rng.integers(0, 1500, 700)]
        found = rank_metrics(query, gallery, query_identities, gallery_identities, metric)
        alone = rank_metrics(query[599:], gallery, query_identities[599:], gallery_identities, metric)
        np.testing.assert_array_equal(alone.ranks, found.ranks[-len(alone.ranks) :], err_msg=f"{metric=}")
        with monkeypatch.context() as patched:
            for module in (tiles_module, members_module):
                patched.setattr(module, "TILE", 128)
            in_small_tiles = rank_metrics(query, gallery, query_identities, gallery_identities, metric)
        np.testing.assert_array_equal(in_small_tiles.ranks, found.ranks, err_msg=f"{metric=}")


def test_a_tied_row_of_a_lower_index_counts_as_closer():
    for metric in METRICS:
        gallery = np.ones((5, 3), np.float32)
        found = rank_metrics(gallery[:1], gallery, ["a"], ["b", "a", "b", "a", "b"], metric)
        np.testing.assert_array_equal(found.ranks, [2, 4], err_msg=f"{metric=}")


def test_queries_without_a_match_are_counted_but_not_averaged():
    rows = np.eye(4, dtype=np.float32)
    found = rank_metrics(rows, rows, ["a", "nowhere", None, "d"], ["a", None, "c", "d"])
    np.testing.assert_array_equal(found.average_precision, [1, np.nan, np.nan, 1])
    np.testing.assert_array_equal(found.inverse_negative_penalty, [1, np.nan, np.nan, 1])
    np.testing.assert_array_equal(found.first_hit, [1, 0, 0, 1])
    assert found.summary["mAP"] == found.summary["Acc@1"] == 1
    assert (found.summary["queries"], found.summary["unmatched"]) == (2, 2)


def test_nothing_to_rank_gives_no_figure():
    for queries, rows in [(0, 3), (3, 0), (0, 0)]:
        found = rank_metrics(np.ones((queries, 2)), np.ones((rows, 2)), ["a"] * queries, ["a"] * rows)
        assert np.isnan(found.summary["mAP"]), f"{queries=}, {rows=}"
        assert (found.summary["queries"], found.summary["unmatched"]) == (0, queries), f"{queries=}, {rows=}"


def test_zero_features_rank_by_index():
    found = rank_metrics(np.zeros((1, 3)), np.zeros((3, 3)), ["b"], ["a", "b", "b"])
    np.testing.assert_array_equal(found.ranks, [2, 3])


def test_as_many_identities_as_features():
    with pytest.raises(DataError, match="2 gallery features came with 1 identities"):
        rank_metrics(np.ones((1, 2)), np.ones((2, 2)), ["a"], ["a"])


@pytest.mark.parametrize("kernel", ["compiled", "torch"])
def test_nearest_rows_and_ranks_come_from_one_pass(float64_scores, few_values, rng, kernel, monkeypatch):
    for metric in METRICS:
        for k in [1, 10, 4000]:
            if kernel == "torch":
                monkeypatch.setattr(ranking_module, "choose_kernel", TorchKernel)
            query, gallery = few_values(60, 12), few_values(1100, 12)
            identities = [[f"design{label}" for label in rng.integers(0, 9, count)] for count in (60, 1100)]
            identities[1][5] = identities[0][7] = None
            found = rank(query, gallery, k, identities, metric)
            truth = float64_scores(query, gallery, metric)
            order = np.argsort(-np.round(truth, 9), axis=1, kind="stable")
            np.testing.assert_array_equal(found.indices, order[:, :k], err_msg=f"{metric=}, {k=}")
            np.testing.assert_allclose(
                found.scores, np.take_along_axis(truth, order[:, :k], 1), atol=1e-5, err_msg=f"{metric=}, {k=}"
            )
            names = np.array(identities[1])
            places = [np.flatnonzero((names[row] == name) & (row != 5)) + 1 for row, name in zip(order, identities[0])]
            places[7] = np.zeros(0, int)
            np.testing.assert_array_equal(found.metrics.ranks, np.concatenate(places), err_msg=f"{metric=}, {k=}")


def test_a_gallery_in_any_order_gives_the_same_figures(clustered, rng):
    query, gallery, query_identities, gallery_identities = clustered(200, 3000, 32, 40)
    expected = rank_metrics(query, gallery, query_identities, gallery_identities)
    order = rng.permutation(3000)
    shuffled = rank_metrics(query, gallery[order], query_identities, [gallery_identities[row] for row in order])
    np.testing.assert_array_equal(shuffled.ranks, expected.ranks)


def test_memory_does_not_grow_with_the_gallery(rng):
    """In addition to the features, a gallery of 40 times the size may take a few bytes per row, but no matrix."""
    query = rng.standard_normal((300, 16)).astype(np.float32)
    peaks = []
    for rows in (2048, 81920):
        gallery = rng.standard_normal((rows, 16)).astype(np.float32)
        identities = [f"design{row % 100}" for row in range(300)], [f"design{row}" for row in range(rows)]
        rank(query, gallery, 10, identities)
        tracemalloc.start()
        rank(query, gallery, 10, identities)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 200 * (81920 - 2048)


def test_cumulative_matches_meet_the_reference(ranking):
    labels = [ranking[f"{side}_labels"].astype(str) for side in ("query", "gallery")]
    found = rank(ranking["query"], ranking["gallery"], 0, labels).metrics.cumulative_matches(len(ranking["cosine.cmc"]))
    np.testing.assert_allclose(found, ranking["cosine.cmc"], rtol=1e-6)


def test_rows_stand_at_their_ranks(float64_scores, clustered):
    query, gallery, query_identities, gallery_identities = clustered(30, 300, 12, 6)
    found = rank_metrics(query, gallery, query_identities, gallery_identities)
    order = np.argsort(-float64_scores(query, gallery, "cosine"), axis=1, kind="stable")
    names = np.array(gallery_identities)
    expected = [row[names[row] == name] for row, name in zip(order, query_identities)]
    np.testing.assert_array_equal(found.rows, np.concatenate(expected))


def test_excluded_rows_leave_the_query_they_are_relevant_to(float64_scores, clustered, rng):
    query, gallery, query_identities, gallery_identities = clustered(30, 300, 12, 60)
    query_identities[3], gone = "design0", rng.random(300) < 0.3
    names = np.array(gallery_identities)
    gone[names == "design0"] = True
    found = rank_metrics(query, gallery, query_identities, gallery_identities).without(gone)
    for place, name in enumerate(query_identities):
        rest = ~(gone & (names == name))
        alone = rank_metrics(query[place : place + 1], gallery[rest], [name], names[rest])
        np.testing.assert_array_equal(found.average_precision[place], alone.average_precision[0])
        np.testing.assert_array_equal(found.first_hit[place], alone.first_hit[0])
    assert not found.matched[3]
