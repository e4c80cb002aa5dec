"""Query expansion against the reference, and against the published loop in float64."""

import tracemalloc

import numpy as np
import pytest

from fastpatent.errors import DataError
from fastpatent.retrieval import expansion
from fastpatent.retrieval.expansion import expand_queries
from fastpatent.retrieval.ranking import rank


def expand_by_rows(cosines, query, gallery, k, alpha, rounds):
    """Return the expanded (query, gallery) by sorting every row of `cosines(features, features, "cosine")`."""
    features = np.concatenate([query, gallery]).astype(np.float64)
    for _ in range(rounds):
        expanded = []
        for similarities in cosines(features, features, "cosine"):
            nearest = np.argsort(-similarities, kind="stable")[:k]
            weights = np.maximum(similarities[nearest], 0) ** alpha
            expanded.append((weights[:, None] * features[nearest]).mean(axis=0))
        features = np.array(expanded)
    return features[: len(query)], features[len(query) :]


def expand_side(cosines, query, gallery, k, alpha, rounds, side, normalize):
    """Return the expanded (query, gallery) with each row of one side averaged with gallery rows."""
    query, gallery = query.astype(np.float64), gallery.astype(np.float64)
    for _ in range(rounds):
        expanded = []
        for number, row in enumerate(query if side == "query" else gallery):
            similarities = cosines(row[None], gallery, "cosine")[0]
            nearest = np.argsort(-similarities, kind="stable")[: k - 1 if side == "query" else k]
            rows, weights = gallery[nearest], np.maximum(similarities[nearest], 0) ** alpha
            if side == "query":
                rows, weights = np.vstack([row, rows]), np.append(1, weights)
            lengths = np.linalg.norm(rows, axis=1, keepdims=True) if normalize else 1
            expanded.append((weights[:, None] * rows / lengths).mean(axis=0))
        query, gallery = (np.array(expanded), gallery) if side == "query" else (query, np.array(expanded))
    return query, gallery


@pytest.mark.parametrize("k, alpha, rounds", [(5, 2.0, 1), (5, 2.0, 2), (10, 3.0, 1)])
def test_expansion_meets_the_reference(ranking, k, alpha, rounds):
    name = f"aqe_k{k}_a{alpha}_t{rounds}"
    query, gallery = expand_queries(ranking["query"], ranking["gallery"], k, alpha, rounds)
    np.testing.assert_allclose(query, ranking[f"{name}.query"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gallery, ranking[f"{name}.gallery"], rtol=1e-5, atol=1e-5)
    ranked = rank(query, gallery, 10, [ranking[f"{side}_labels"].astype(str) for side in ("query", "gallery")])
    np.testing.assert_array_equal(ranked.indices, ranking[f"{name}.order"])
    np.testing.assert_allclose(ranked.metrics.average_precision, ranking[f"{name}.AP"], rtol=1e-12)


@pytest.mark.parametrize("k, alpha, rounds", [(1, 2.0, 1), (4, 0.0, 1), (4, 0.5, 3), (500, 3.0, 1)])
def test_expansion_meets_the_published_loop(float64_scores, clustered, k, alpha, rounds):
    query, gallery, _, _ = clustered(12, 90, 16, 8)
    found = expand_queries(query, gallery, k, alpha, rounds)
    for rows, truth in zip(found, expand_by_rows(float64_scores, query, gallery, k, alpha, rounds)):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows, truth, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", ["query", "database"])
def test_one_side_meets_its_definition(float64_scores, clustered, side):
    for normalize in [False, True]:
        for k, alpha, rounds in [(1, 3.0, 1), (2, 0.0, 1), (5, 3.0, 1), (4, 0.5, 2), (500, 2.0, 1)]:
            query, gallery, _, _ = clustered(12, 90, 16, 8)
            gallery *= np.linspace(0.1, 10, 90, dtype=np.float32)[:, None]
            found = expand_queries(query, gallery, k, alpha, rounds, side, normalize)
            truth = expand_side(float64_scores, query, gallery, k, alpha, rounds, side, normalize)
            for rows, expected in zip(found, truth):
                assert rows.dtype == np.float32, f"{normalize=}, {k=}, {alpha=}, {rounds=}"
                np.testing.assert_allclose(
                    rows, expected, rtol=1e-4, atol=1e-5, err_msg=f"{normalize=}, {k=}, {alpha=}, {rounds=}"
                )
            untouched = (found[1], gallery) if side == "query" else (found[0], query)
            assert np.array_equal(*untouched), f"{normalize=}, {k=}, {alpha=}, {rounds=}"


def test_normalised_rows_are_expanded_as_if_they_came_so(clustered):
    query, gallery, _, _ = clustered(12, 90, 16, 8)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (query, gallery)]
    for rows, expected in zip(expand_queries(query, gallery, normalize=True), expand_queries(*unit)):
        np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-6)


def test_blocks_do_not_change_a_bit(clustered, monkeypatch):
    query, gallery, _, _ = clustered(100, 400, 24, 50)
    for side in expansion.SIDES:
        large = expand_queries(query, gallery, side=side)
        with monkeypatch.context() as patched:
            patched.setattr(expansion, "AVERAGED_ROWS", 7)
            small = expand_queries(query, gallery, side=side)
        for rows, expected in zip(small, large):
            np.testing.assert_array_equal(rows, expected, err_msg=f"{side=}")


@pytest.mark.parametrize("side, rounds, copies", [("both", 1, 1), ("both", 2, 2), ("database", 1, 1)])
def test_memory_above_the_features_is_a_copy_a_round_at_most_two(rng, side, rounds, copies):
    query, gallery = (rng.standard_normal((rows, 1024), dtype=np.float32) for rows in (1000, 5000))
    tracemalloc.start()
    expand_queries(query, gallery, rounds=rounds, side=side)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (copies + 0.9) * (query.nbytes + gallery.nbytes)


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


def test_either_side_may_be_empty_whichever_is_expanded(rng):
    for side in ("query", "database"):
        for queries, rows in ((0, 5), (5, 0)):
            sides = rng.standard_normal((queries, 4)), rng.standard_normal((rows, 4))
            found = expand_queries(*sides, k=1, side=side)
            for after, before in zip(found, sides):
                np.testing.assert_allclose(after, before, rtol=1e-6, err_msg=f"{side=}, {queries=}, {rows=}")
            assert [len(after) for after in expand_queries(*sides, k=3, side=side)] == [queries, rows], (
                f"{side=}, {queries=}, {rows=}"
            )


def test_an_unknown_side_is_refused_with_a_suggestion():
    with pytest.raises(DataError, match="unknown side 'databse' of query expansion; did you mean database"):
        expand_queries(np.ones((2, 2)), np.ones((2, 2)), side="databse")


def test_settings_without_a_meaning_are_refused():
    for side in expansion.SIDES:
        for settings in ({"rounds": 0}, {"alpha": -1.0}, {"k": 0}):
            with pytest.raises(DataError):
                expand_queries(np.ones((2, 2)), np.ones((2, 2)), side=side, **settings)
