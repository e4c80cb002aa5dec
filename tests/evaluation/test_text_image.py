"""Recall and median rank against a plain argsort over the whole matrix of cosines."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from fastpatent.errors import DataError
from fastpatent.evaluation.intervals import bootstrap_intervals
from fastpatent.evaluation.text_image import DEPTHS, DIRECTIONS, PAIR, PATENT, text_image_metrics


def pairs(patents, most, dim=24, seed=0, noise=1.2):
    """Features of 1 to `most` pairs a patent, in mixed order, and their patents."""
    rng = np.random.default_rng(seed)
    identities = rng.permutation(np.repeat(np.arange(patents), rng.integers(1, most + 1, patents)))
    centres = rng.standard_normal((patents, dim))[identities]
    images, texts = (centres + noise * rng.standard_normal(centres.shape) for _ in range(2))
    return images.astype(np.float32), texts.astype(np.float32), [f"USD{number:07d}" for number in identities]


def first_ranks(query, gallery, right):
    """Rank of the first right row of each query, by argsort; right(query, row) says which are."""
    query, gallery = (rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True) for rows in (query, gallery))
    order = np.argsort(-(query @ gallery.T), axis=1, kind="stable")
    return [next(place for place, row in enumerate(rows, 1) if right(number, int(row))) for number, rows in enumerate(order)]


def expect(found, ranks, identities):
    groups = [identities.index(identity) for identity in identities]  # drawn anew in the order of their first pair
    assert found.queries == len(ranks)
    assert found.median_rank == np.median(ranks)
    hits = np.array([[place <= k for k in DEPTHS] for place in ranks], float)
    intervals = bootstrap_intervals(hits, groups, 200, 3)
    for number, k in enumerate(DEPTHS):
        assert found.recall[k].mean == pytest.approx(hits[:, number].mean(), abs=1e-12)
        np.testing.assert_array_equal(found.recall[k][1:], intervals[number])


@pytest.mark.parametrize("patents, most", [(60, 1), (40, 6), (900, 2)])  # the last in several tiles
def test_metrics_are_those_of_an_argsort(patents, most):
    images, texts, identities = pairs(patents, most)
    metrics = text_image_metrics(images, texts, identities, resamples=200, seed=3)
    assert (metrics.pairs, metrics.patents, metrics.texts) == (len(images), patents, len(images))
    for direction, query, gallery in zip(DIRECTIONS, (texts, images), (images, texts)):
        pair, patent = (metrics.directions[direction, right] for right in (PAIR, PATENT))
        assert 0.05 < pair.recall[1].mean < 0.98
        expect(pair, first_ranks(query, gallery, lambda asked, row: asked == row), identities)
        expect(patent, first_ranks(query, gallery, lambda asked, row: identities[asked] == identities[row]), identities)
        assert pair.database == patent.database == len(images)


def test_a_text_that_a_patent_repeats_counts_once():
    images, texts, identities = pairs(40, 6)
    words = [f"text {identity} {number % 2}" for number, identity in enumerate(identities)]
    first = [words.index(word) for word in words]
    texts = texts[first]
    metrics = text_image_metrics(images, texts, identities, words, 200, 3)
    once = sorted(set(first))
    assert metrics.texts == len(once) < len(images)
    owners = [identities[row] for row in once]

    asked = metrics.directions["text to image", PATENT]
    expect(asked, first_ranks(texts[once], images, lambda text, row: owners[text] == identities[row]), owners)
    found = metrics.directions["image to text", PATENT]
    expect(found, first_ranks(images, texts[once], lambda image, row: identities[image] == owners[row]), identities)
    assert (asked.database, found.database) == (len(images), len(once))


def test_by_pair_equal_texts_are_of_one_drawing_each_and_tie_by_row():
    images = np.eye(6, dtype=np.float32)[[0, 0, 0, 3, 4, 5]]
    identities = ["a", "b", "c", "d", "e", "f"]
    metrics = text_image_metrics(images, images, identities, ["chair"] * 3 + list("def"))
    for direction in DIRECTIONS:
        for right in (PAIR, PATENT):  # the three chairs are of three patents
            found = metrics.directions[direction, right]
            assert (found.recall[1].mean, found.recall[5].mean, found.median_rank) == (4 / 6, 1, 1)
    assert metrics.texts == 6


def test_a_pair_without_a_patent_is_a_patent_of_its_own():
    images, texts, identities = pairs(30, 4)
    named = text_image_metrics(images, texts, [f"only {row}" for row in range(len(images))])
    unnamed = text_image_metrics(images, texts, [None] * len(images))
    assert unnamed == named and unnamed.patents == len(images)
    for direction in DIRECTIONS:
        assert named.directions[direction, PATENT] == named.directions[direction, PAIR]


def test_chance_is_the_recall_of_a_random_ranking():
    images, texts, identities = pairs(25, 8)
    metrics = text_image_metrics(images, texts, identities)
    total = len(images)
    for direction in DIRECTIONS:
        for k in DEPTHS:
            assert metrics.directions[direction, PAIR].chance[k] == pytest.approx(k / total)
            expected = np.mean([hypergeom.sf(0, total, identities.count(identity), k) for identity in identities])
            assert metrics.directions[direction, PATENT].chance[k] == pytest.approx(expected)


def test_features_without_information_reach_chance():
    rng = np.random.default_rng(5)
    identities = np.repeat(np.arange(400), 3).tolist()
    images, texts = rng.standard_normal((2, 1200, 8)).astype(np.float32)
    for found in text_image_metrics(images, texts, identities).directions.values():
        for k in DEPTHS:
            assert found.recall[k].low - 0.003 <= found.chance[k] <= found.recall[k].high + 0.003


def test_fewer_pairs_than_depths():
    images, texts, _ = pairs(3, 1)
    for found in text_image_metrics(images, texts, ["a", "a", "b"]).directions.values():
        assert found.recall[5].mean == found.recall[10].mean == found.chance[5] == found.chance[10] == 1


def test_sides_of_different_lengths_are_refused():
    different = "images, texts and patents must be as many, but there are"
    for images, texts, identities, words, message in (
        (4, 3, 4, None, f"{different} 4, 3, 4 of them"),
        (4, 4, 5, None, f"{different} 4, 4, 5 of them"),
        (4, 4, 4, 3, different),
        (0, 0, 0, None, "there is no pair of an image and a text"),
    ):
        words = words if words is None else ["b"] * words
        with pytest.raises(DataError, match=message):
            text_image_metrics(np.ones((images, 4)), np.ones((texts, 4)), ["a"] * identities, words)


def test_the_summary_is_by_patent_and_has_the_mean_of_all_recalls():
    images, texts, identities = pairs(30, 4)
    metrics = text_image_metrics(images, texts, identities)
    expected = {
        f"{short}-R@{k}": metrics.directions[direction, PATENT].recall[k].mean
        for short, direction in (("T2I", "text to image"), ("I2T", "image to text"))
        for k in DEPTHS
    }
    expected["mean-R"] = np.mean(list(expected.values()))
    assert metrics.summary == pytest.approx(expected)
    assert list(metrics.summary)[-1] == "mean-R"


def test_features_that_are_not_finite():
    with pytest.raises(DataError, match="row 1 of the query features holds NaN"):
        text_image_metrics(np.ones((2, 2)), np.array([[1, 1], [np.nan, 1]]), ["a", "b"])
