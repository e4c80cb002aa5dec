"""Scores, order and percentiles of designs against loops in float64."""

import numpy as np
import pytest

from fastpatent.data.records import Sample
from fastpatent.errors import DataError
from fastpatent.evaluation import design_search
from fastpatent.evaluation.design_search import DesignIndex, design_of

DESIGNS = ["b", "a", "c/d", "b", "a", "b", "e", "c/d", "f", "f"]
SAMPLES = [Sample(f"/x/{number}.png", design) for number, design in enumerate(DESIGNS)]


@pytest.fixture
def features():
    """Ten drawings and three views, float32 [rows, 6], of any length, with one equal pair."""
    random = np.random.default_rng(3)
    drawings = (random.standard_normal((10, 6)) * random.uniform(0.1, 9, (10, 1))).astype(np.float32)
    drawings[9] = drawings[8]
    return drawings, random.standard_normal((3, 6)).astype(np.float32)


def cosine(first, second):
    first, second = first.astype(np.float64), second.astype(np.float64)
    return first @ second / np.linalg.norm(first) / np.linalg.norm(second)


def plain_scores(views, drawings, excluded=()):
    """{design: mean over views of the best cosine} of designs with a drawing that is not excluded."""
    scores = {}
    for design in sorted(set(DESIGNS)):
        rows = [row for row, of in enumerate(DESIGNS) if of == design and row not in excluded]
        if rows:
            scores[design] = sum(max(cosine(view, drawings[row]) for row in rows) for view in views) / len(views)
    return scores


@pytest.mark.parametrize("own", [[], [0], [1, 4], [3, 6, 9]])
def test_answers_are_those_of_plain_loops(own, features):
    drawings, views = features
    expected = plain_scores(views, drawings, own)
    pairs = [
        cosine(drawings[i], drawings[j]) for i in range(10) for j in range(i) if DESIGNS[i] != DESIGNS[j]
    ]  # few enough for all
    answers = DesignIndex(SAMPLES, drawings).search(views, 4, own)
    assert [answer.design for answer in answers] == sorted(expected, key=lambda design: -expected[design])[:4]
    for answer in answers:
        assert answer.closeness == pytest.approx(expected[answer.design], abs=1e-6)
        assert answer.percentile == pytest.approx(100 * np.mean(np.array(pairs) < expected[answer.design]))
        assert answer.drawings == [sample.path for sample in SAMPLES if sample.identity == answer.design]
        assert answer.has_query == any(DESIGNS[row] == answer.design for row in own)


def test_many_pairs_are_drawn_at_random(features, monkeypatch):
    drawings, _ = features
    every = {round(cosine(drawings[i], drawings[j]), 5) for i in range(10) for j in range(i) if DESIGNS[i] != DESIGNS[j]}
    monkeypatch.setattr(design_search, "MOST_PAIRS", 30)
    first, again = (DesignIndex(SAMPLES, drawings).random for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert 15 < len(first) <= 30 and {round(float(value), 5) for value in first} <= every and np.all(np.diff(first) >= 0)


def test_what_has_no_percentile_or_no_drawing(features):
    drawings, views = features
    alone = DesignIndex([sample._replace(identity="a") for sample in SAMPLES], drawings)
    assert [(answer.design, answer.percentile) for answer in alone.search(views, 9)] == [("a", None)]
    assert DesignIndex(SAMPLES, drawings).search(views, 1, compared=False)[0].percentile is None
    with pytest.raises(DataError, match="no drawing"):
        DesignIndex([], drawings[:0])


@pytest.mark.parametrize(
    "path, design",
    [
        ("chair/front.png", "chair"),
        ("a/b/1.tif", "a/b"),
        ("loose.png", "loose.png"),
        ("USD0909824-20210209-D00001.TIF", "USD0909824-20210209"),
        ("I20210209/USD0909824-20210209-D00001.png", "I20210209/USD0909824-20210209"),
        ("I20210209/USD0909824-20210209/USD0909824-20210209-D00001.png", "I20210209/USD0909824-20210209"),
    ],
)
def test_the_design_of_a_drawing(path, design):
    assert design_of(path) == design
