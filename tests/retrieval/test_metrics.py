"""The registered metrics against loops over the places of relevant rows."""

import math

import numpy as np
import pytest

from fastpatent.errors import ConfigError
from fastpatent.registry import METRICS
from fastpatent.retrieval.metrics import (
    IMAGE_TO_TEXT,
    IMAGES,
    RECALLS,
    TEXT_TO_IMAGE,
    Metric,
    RankMetrics,
    mean_of,
    summarise,
    table_metrics,
)

GALLERY = 60
MOST = 15  # relevant rows of a query


def metrics_of(places):
    """RankMetrics of lists of 1-based ranks, a list for each query."""
    flat = np.array([rank for of_query in places for rank in of_query], np.int64)
    return RankMetrics(flat, np.array([len(of_query) for of_query in places], np.int64))


def random_places(queries, seed):
    """Ascending ranks of 0 to MOST relevant rows of each query, of which some have none."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, MOST + 1, queries)
    counts[:2] = 0, MOST
    return [sorted((rng.choice(GALLERY, count, replace=False) + 1).tolist()) for count in counts]


def precision(places, depth, divisor):
    """Sum over the relevant rows of the first `depth` of the precision at each, over a divisor."""
    return sum((number + 1) / rank for number, rank in enumerate(places) if rank <= depth) / divisor


def by_loops(places, most):
    """{metric of images: value} of one query with relevant rows; `most`: of any query."""
    count = len(places)
    return {
        "mAP": precision(places, GALLERY, count),
        **{f"Acc@{k}": float(places[0] <= k) for k in (1, 5, 10, 20)},
        "mAP@10": precision(places, 10, min(count, 10)),
        "mAP@R": precision(places, count, count),
        "mINP": count / places[-1],
        "mAP@max": precision(places, most, count),
    }


@pytest.fixture
def only(monkeypatch):
    """A function that replaces the registered metrics by those given by name."""

    def replace(**metrics):
        METRICS.all()
        monkeypatch.setattr(METRICS, "_components", metrics)

    return replace


def test_metrics_of_images_are_means_over_the_matched_queries():
    places = random_places(40, seed=0)
    metrics = metrics_of(places)
    rows = [by_loops(of_query, MOST) for of_query in places if of_query]
    expected = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
    assert summarise({IMAGES: metrics}) == pytest.approx(expected)
    unmatched = sum(not of_query for of_query in places)
    assert metrics.summary == pytest.approx(expected | {"queries": 40 - unmatched, "unmatched": unmatched})
    for name, column in expected.items():
        values = METRICS.get(name).formula(metrics)
        assert values.shape == (40,) and np.isnan(values).sum() == unmatched, name
        np.testing.assert_allclose(values[metrics.matched], [row[name] for row in rows], err_msg=name)


def test_recalls_of_texts_belong_to_their_direction_and_their_mean_needs_both():
    places = {TEXT_TO_IMAGE: random_places(30, seed=1), IMAGE_TO_TEXT: random_places(50, seed=2)}
    rankings = {direction: metrics_of(of_direction) for direction, of_direction in places.items()}
    expected = {
        f"{short}-R@{k}": np.mean([of_query[0] <= k for of_query in places[direction] if of_query])
        for short, direction in (("T2I", TEXT_TO_IMAGE), ("I2T", IMAGE_TO_TEXT))
        for k in (1, 5, 10)
    }
    assert summarise(rankings) == pytest.approx(expected | {"mean-R": np.mean(list(expected.values()))})
    assert tuple(expected) == RECALLS == METRICS.get("mean-R").parts
    one = summarise({TEXT_TO_IMAGE: rankings[TEXT_TO_IMAGE]})
    assert set(one) == {name for name in expected if name.startswith("T2I")}
    assert METRICS.get("mean-R").mean({TEXT_TO_IMAGE: rankings[TEXT_TO_IMAGE]}) is None
    assert summarise({}) == {}
    images = metrics_of(random_places(20, seed=3))
    assert summarise(rankings | {IMAGES: images}) == pytest.approx(summarise(rankings) | summarise({IMAGES: images}))


def test_without_a_matched_query_every_mean_is_nan():
    for places in ([[], []], []):
        metrics = metrics_of(places)
        found = summarise({IMAGES: metrics, TEXT_TO_IMAGE: metrics, IMAGE_TO_TEXT: metrics})
        assert set(found) == set(METRICS.names()), places
        assert all(math.isnan(value) for value in found.values()), places
        assert (metrics.summary["queries"], metrics.summary["unmatched"]) == (0, len(places))


def test_a_registered_metric_is_summarised_and_may_have_a_column(only):
    def first(metrics):
        return np.where(metrics.matched, metrics.first_hit.astype(float), np.nan)

    only(
        first=Metric(first, greater_is_better=False),
        hidden=Metric(first, in_table=False),
        texts=Metric(first, TEXT_TO_IMAGE),
        both=Metric(None, parts=("first", "hidden")),
    )
    metrics = metrics_of([[4, 7], [], [1], [10]])
    assert summarise({IMAGES: metrics}) == {"first": 5.0, "hidden": 5.0, "both": 5.0}
    assert table_metrics() == ["first", "both"]


def test_the_mean_of_metrics_is_a_metric(only):
    """fast-reid chooses its best checkpoint by the mean of mAP and Rank-1."""
    only(**METRICS.all(), first=Metric(lambda metrics: metrics.first_hit.astype(float), greater_is_better=False))
    assert mean_of(["mAP"]) == "mAP"
    name = mean_of(["mAP", "Acc@1"])
    assert mean_of(["mAP", "Acc@1"]) == name == "mean of mAP, Acc@1" and name not in table_metrics()
    assert metrics_of([[1, 4], [2]]).summary[name] == pytest.approx((((1 + 2 / 4) / 2 + 1 / 2) / 2 + 1 / 2) / 2)
    assert METRICS.get(name).is_better(0.6, 0.5)
    with pytest.raises(ConfigError, match="^TEST.BEST_METRIC: mAP, first have no mean"):
        mean_of(["mAP", "first"])


def test_columns_of_a_table_are_metrics_of_images():
    assert table_metrics() == ["mAP", "Acc@1", "Acc@5", "Acc@10", "Acc@20", "mAP@10", "mINP"]


def test_a_metric_has_a_direction():
    greater, less = Metric(None), Metric(None, greater_is_better=False)
    for value, best in ((0.4, 0.3), (0.3, 0.4), (0.3, 0.3), (-1.0, -2.0), (float("nan"), 0.3)):
        assert greater.is_better(value, best) == (value > best), (value, best)
        assert less.is_better(value, best) == (value < best), (value, best)


def test_accuracy_is_whether_a_relevant_row_is_among_the_first():
    places = [[3, 4], [], [1], [8]]
    for k in (1, 3, 7, 8, 60):
        expected = [float(of_query[0] <= k) if of_query else np.nan for of_query in places]
        np.testing.assert_array_equal(metrics_of(places).accuracy_at(k), expected, err_msg=str(k))


def test_truncated_precision_by_hand():
    for depth, expected in [(1, 0), (2, 1 / 2 / 2), (10, (1 / 2 + 2 / 3) / 3), (30, (1 / 2 + 2 / 3 + 3 / 30) / 3)]:
        found = RankMetrics(np.array([2, 3, 30]), np.array([3]))
        np.testing.assert_allclose(found.average_precision_at(depth), [expected], err_msg=f"{depth=}, {expected=}")


def test_cumulative_matches_by_hand():
    four = RankMetrics(np.array([2, 3, 1, 40]), np.array([2, 0, 1, 1]))
    np.testing.assert_allclose(four.cumulative_matches(4), [1 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert np.isnan(RankMetrics(np.zeros(0, int), np.array([0])).cumulative_matches(2)).all()
