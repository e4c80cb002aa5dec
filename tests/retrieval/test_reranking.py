"""k-reciprocal re-ranking against its definition with sets and dense float64 rows, and its memory."""

import functools
import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from fastpatent.errors import DataError
from fastpatent.retrieval import reranking
from fastpatent.retrieval.neighbours import nearest_rows
from fastpatent.retrieval.reranking import reciprocal_similarity


def similarity_by_sets(cosines, query, gallery, k1, k2):
    """Return float64 [queries, gallery] by the definition, row by row; `cosines` as in conftest."""
    features = np.concatenate([query, gallery])
    rows = range(len(features))
    similarities = np.round(cosines(features, features, "cosine"), 9)
    order = np.argsort(-similarities, axis=1, kind="stable")
    blank = ~features.any(axis=1)

    def nearest(row, k):
        return set() if blank[row] else set(order[row, :k].tolist())

    @functools.cache
    def mutual(row, k):
        return {other for other in nearest(row, k) if row in nearest(other, k)}

    encodings = np.zeros(similarities.shape)
    for row in rows:
        own = mutual(row, k1)
        members = set(own)
        for other in own:
            half = mutual(other, min(int(np.around(k1 / 2)) + 1, k1))
            if len(half & own) > 2 / 3 * len(half):
                members |= half
        for other in members:
            encodings[row, other] = np.exp(-(2 - 2 * similarities[row, other]))
        if members:
            encodings[row] /= encodings[row].sum()
    if k2 > 1:
        encodings = np.array(
            [np.zeros(len(features)) if blank[row] else encodings[order[row, :k2]].mean(axis=0) for row in rows]
        )
    intersections = np.array([np.minimum(encodings[len(query) :], row).sum(axis=1) for row in encodings[: len(query)]])
    return intersections / (2 - intersections)


def check(cosines, query, gallery, k1, k2):
    """Compare a re-ranking with the definition; return it as a dense array."""
    found = reciprocal_similarity(query, gallery, k1, k2)
    assert isinstance(found, sparse.csr_array) and found.dtype == np.float32 and found.has_sorted_indices
    assert (found.data > 0).all() and (found.data <= 1).all()
    np.testing.assert_allclose(found.toarray(), similarity_by_sets(cosines, query, gallery, k1, k2), rtol=1e-4, atol=1e-6)
    return found.toarray()


@pytest.mark.parametrize(
    "k1, k2", [(20, 6), (20, 1), (1, 1), (2, 2), (3, 1), (5, 2), (7, 4), (1, 3), (4, 9), (30, 30), (500, 6), (500, 500)]
)
def test_similarity_meets_the_definition(float64_scores, clustered, k1, k2):
    query, gallery, _, _ = clustered(20, 60, 16, 12, spread=0.7)
    found = check(float64_scores, query, gallery, k1, k2)
    assert found.any() == (k1 > 1 or k2 > 1)  # a set of one contains the row itself


@pytest.mark.parametrize("queries, rows, identities", [(1, 1, 1), (1, 90, 5), (90, 1, 5), (40, 160, 3), (40, 160, 60)])
def test_similarity_meets_the_definition_at_any_shape(float64_scores, clustered, queries, rows, identities):
    query, gallery, _, _ = clustered(queries, rows, 8, identities, spread=0.6)
    check(float64_scores, query, gallery, 8, 3)


def test_ties_duplicates_and_queries_in_the_gallery(float64_scores, few_values):
    for k1, k2 in [(6, 1), (6, 3), (12, 20)]:
        gallery = few_values(80, 9)
        gallery[40:60] = gallery[7]  # more equal rows than neighbours
        query = gallery[[3, 7, 50, 79]]
        found = check(float64_scores, query, gallery, k1, k2)
        if 1 < k2 <= k1:
            np.testing.assert_array_equal(found[1], found[2], err_msg=f"{k1=}, {k2=}")
            np.testing.assert_allclose(found[1, 40:60], 1, rtol=1e-6, err_msg=f"{k1=}, {k2=}")


def test_zero_rows_are_similar_to_nothing(float64_scores, clustered):
    for k2 in [1, 3]:
        query, gallery, _, _ = clustered(10, 20, 6, 4)
        query[[0, 4]], gallery[[0, 1, 19]] = 0, 0
        found = check(float64_scores, query, gallery, 40, k2)
        assert not found[[0, 4]].any() and not found[:, [0, 1, 19]].any() and found[1].any(), k2


def test_the_size_of_the_features_does_not_matter(clustered):
    for size in [1e-30, 1e30]:
        query, gallery, _, _ = clustered(10, 50, 6, 4)
        found = reciprocal_similarity(query * np.float32(size), gallery)
        np.testing.assert_allclose(
            found.toarray(), reciprocal_similarity(query, gallery).toarray(), rtol=1e-5, err_msg=f"{size=}"
        )


def test_identical_and_unrelated_rows():
    rows = np.eye(6, dtype=np.float32)
    found = reciprocal_similarity(rows[:3], rows[[0, 0, 1, 5, 5]], k1=2, k2=1)
    assert found[[2]].nnz == 0
    assert found.toarray()[0, 0] == 1
    np.testing.assert_array_equal(found.toarray()[1], [0, 0, 1, 0, 0])


def test_published_distance_sorts_a_cluster_first(clustered):
    query, gallery, query_identities, gallery_identities = clustered(30, 300, 32, 20, spread=0.9)
    found = reciprocal_similarity(query, gallery).toarray()
    same = np.array(query_identities)[:, None] == np.array(gallery_identities)
    assert found[same].mean() > 10 * found[~same].mean()


def test_memory_does_not_change_a_bit(clustered, monkeypatch):
    for k1, k2 in [(20, 6), (5, 1)]:
        query, gallery, _, _ = clustered(150, 900, 16, 80)
        large = reciprocal_similarity(query, gallery, k1, k2)
        for memory in (1, 10**5):
            with monkeypatch.context() as patched:
                patched.setattr(reranking, "COMPARED_PAIRS", 3)
                small = reciprocal_similarity(query, gallery, k1, k2, memory=memory)
            for part in ("indptr", "indices", "data"):
                np.testing.assert_array_equal(getattr(small, part), getattr(large, part), err_msg=f"{k1=}, {k2=}")


def test_memory_grows_with_the_rows_and_not_their_square(rng):
    peaks = []
    for designs in (80, 320):
        features = np.repeat(rng.standard_normal((designs, 32)), 30, axis=0).astype(np.float32)
        features += 0.2 * rng.standard_normal(features.shape)
        sides = features[::5].copy(), np.delete(features, np.s_[::5], axis=0)
        found = nearest_rows(sides, 20)
        tracemalloc.start()
        similarity = reciprocal_similarity(*sides, memory=2**18, find=lambda *_, found=found: found)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(sides[0]) < similarity.nnz <= 24 * len(sides[0])
    assert peaks[1] < 4.5 * peaks[0]


def test_nothing_to_rank():
    for queries, rows in [(0, 4), (4, 0), (0, 0)]:
        found = reciprocal_similarity(np.ones((queries, 3)), np.ones((rows, 3)))
        assert found.shape == (queries, rows) and found.nnz == 0, f"{queries=}, {rows=}"


def test_settings_without_a_meaning_are_refused():
    for settings in [{"k1": 0}, {"k2": 0}]:
        with pytest.raises(DataError, match="k1 and k2 of at least 1"):
            reciprocal_similarity(np.ones((2, 2)), np.ones((2, 2)), **settings)


def test_unusable_features_are_refused():
    for query, gallery, message in [
        (np.ones((2, 3)), np.ones((2, 4)), "3 dimensions and gallery features 4"),
        (np.ones((2, 3)), np.full((2, 3), np.nan), "row 0 of the gallery features holds NaN"),
        (np.ones(3), np.ones((2, 3)), "must be an array"),
    ]:
        with pytest.raises(DataError, match=message):
            reciprocal_similarity(query, gallery)


def test_a_result_beyond_memory_is_refused_in_time(monkeypatch):
    monkeypatch.setattr(reranking, "free_bytes", lambda: 16 * 1000)
    with pytest.raises(DataError, match="are most features similar"):
        reciprocal_similarity(np.ones((50, 4)), np.ones((50, 4)), memory=1)
