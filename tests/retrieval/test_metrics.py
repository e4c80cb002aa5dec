"""Metrics of ranks by hand, and the registered metrics: means, directions and which of them a ranking allows."""

import numpy as np
import pytest

from fastpatent.retrieval.metrics import (
    IMAGE_TO_TEXT,
    IMAGES,
    METRICS,
    RECALLS,
    TEXT_TO_IMAGE,
    Metric,
    RankMetrics,
    summarise,
    table_metrics,
)

# Queries with relevant rows at ranks 2 and 3, nowhere, at 1, and at 40
FOUR = RankMetrics(np.array([2, 3, 1, 40]), np.array([2, 0, 1, 1]))


def test_truncated_precision_by_hand():
    for depth, expected in [(1, 0), (2, 1 / 2 / 2), (10, (1 / 2 + 2 / 3) / 3), (30, (1 / 2 + 2 / 3 + 3 / 30) / 3)]:
        found = RankMetrics(np.array([2, 3, 30]), np.array([3]))
        np.testing.assert_allclose(found.average_precision_at(depth), [expected], err_msg=f"{depth=}, {expected=}")


def test_accuracy_of_each_query_by_hand():
    for k, expected in ((1, [0, np.nan, 1, 0]), (2, [1, np.nan, 1, 0]), (40, [1, np.nan, 1, 1])):
        np.testing.assert_array_equal(FOUR.accuracy_at(k), expected, err_msg=f"{k=}")


def test_cumulative_matches_by_hand():
    np.testing.assert_allclose(FOUR.cumulative_matches(4), [1 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert np.isnan(RankMetrics(np.zeros(0, int), np.array([0])).cumulative_matches(2)).all()


def test_every_metric_of_images_by_hand():
    """Queries without a relevant row have no part in the means."""
    precision = [(1 / 2 + 2 / 3) / 2, 1, 1 / 40]
    assert summarise({IMAGES: FOUR}) == pytest.approx(
        {
            "mAP": np.mean(precision),
            "Acc@1": 1 / 3,
            "Acc@5": 2 / 3,
            "Acc@10": 2 / 3,
            "Acc@20": 2 / 3,
            "mAP@10": np.mean([*precision[:2], 0]),
            "mAP@R": np.mean([1 / 4, 1, 0]),
            "mINP": np.mean([2 / 3, 1, 1 / 40]),
            "mAP@max": np.mean([1 / 4, 1, 0]),  # no query has more than two
        }
    )
    assert FOUR.summary == summarise({IMAGES: FOUR}) | {"queries": 3, "unmatched": 1}
    assert table_metrics() == ["mAP", "Acc@1", "Acc@5", "Acc@10", "Acc@20", "mAP@10", "mINP"]


def test_recalls_of_texts_by_hand():
    """R@k of either direction, and their mean, which has no value before both directions are measured."""
    other = RankMetrics(np.array([1, 7]), np.array([1, 1]))
    found = summarise({TEXT_TO_IMAGE: FOUR, IMAGE_TO_TEXT: other})
    expected = {"T2I-R@1": 1 / 3, "T2I-R@5": 2 / 3, "T2I-R@10": 2 / 3, "I2T-R@1": 1 / 2, "I2T-R@5": 1 / 2, "I2T-R@10": 1}
    assert found == pytest.approx(expected | {"mean-R": np.mean(list(expected.values()))})
    assert set(expected) == set(RECALLS)
    assert set(summarise({TEXT_TO_IMAGE: FOUR})) == {name for name in RECALLS if name.startswith("T2I")}


def test_a_registered_metric_is_summarised_and_knows_its_direction(monkeypatch):
    monkeypatch.setattr(METRICS, "_components", METRICS.all())
    METRICS.register(Metric(lambda metrics: metrics.first_hit.astype(float), greater_is_better=False), name="first")
    assert summarise({IMAGES: FOUR})["first"] == pytest.approx((2 + 1 + 40) / 3)
    assert "first" in table_metrics()
    assert METRICS.get("first").is_better(2.0, 3.0) and not METRICS.get("first").is_better(3.0, 3.0)
    assert METRICS.get("mAP").is_better(0.3, 0.2) and not METRICS.get("mAP").is_better(0.2, 0.3)
