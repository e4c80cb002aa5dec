"""The table of metrics of a run, and their line in a log."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

from fastpatent.data.degenerate import degeneracies
from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.pipeline import SetResult
from fastpatent.evaluation.retrieval import Evaluation, rank_features
from fastpatent.log import PlainConsole
from fastpatent.report.tables import metrics_table, short_metrics
from fastpatent.retrieval.metrics import table_metrics


def test_a_row_has_every_metric_of_the_table_or_none_without_labels():
    samples = [Sample(f"{number}.png", f"patent{number % 3}") for number in range(12)]
    rng = np.random.default_rng(0)
    features = rng.standard_normal((12, 4)).astype(np.float32)
    splits = Splits("toy", [], samples[:3], samples[3:])
    evaluation = rank_features(Features("net", *np.split(features, [3])), splits)
    blind = Evaluation("blind", splits, evaluation.ranking, None)
    console = PlainConsole(width=140, file=io.StringIO())
    console.print(metrics_table([("net", evaluation), ("blind", blind)]))
    heading, _, measured, intervals, unknown, note = (line.split() for line in console.file.getvalue().splitlines())
    assert heading == ["system", "queries", "in", "gallery", *table_metrics()]
    assert measured == ["net", "toy", "3", "in", "9", *(f"{evaluation.summary[name]:.4f}" for name in table_metrics())]
    means = evaluation.metrics.average_precision[rng.integers(3, size=(100_000, 3))].mean(axis=1)  # each of another patent
    low, high = map(float, intervals[0].split("-"))
    assert (low, high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.03) and len(intervals) == len(
        table_metrics()
    )
    assert "95% interval" in " ".join(note)
    assert unknown == ["blind", "toy", "3", "in", "9,", "no", "labels", *["-"] * len(table_metrics())]


def test_a_log_has_the_first_metrics_of_images_and_texts():
    def line(*warnings, **summary):
        return short_metrics(
            SimpleNamespace(summary=summary, evaluations=[SimpleNamespace(intervals={}, warnings=warnings)])
        )

    assert line(**{"mINP": 0.1, "Acc@1": 0.25, "mAP": 1.0}) == "mAP 1.0000  Acc@1 0.2500"
    assert line(**{"mean-R": 0.5, "mAP": 0.125}) == "mAP 0.1250  mean-R 0.5000"
    assert line("one query", mAP=1.0) == "mAP 1.0000  warning: one query"
    assert line() == "no labels, no metrics"


def test_a_perfect_figure_of_one_identity_never_stands_alone():
    """All features are equal too: any order of the gallery is right, and the table says so."""
    samples = [Sample(f"{number}.png", "patent") for number in range(4)]
    splits = Splits("flat", [], samples[:1], samples[1:])
    splits.warnings = degeneracies(splits)
    evaluation = rank_features(Features("net", np.ones((1, 2), np.float32), np.ones((3, 2), np.float32)), splits)
    console = PlainConsole(width=140, file=io.StringIO())
    console.print(metrics_table([("net", evaluation)]))
    printed = console.file.getvalue()
    assert evaluation.summary["mAP"] == 1 and "unknown" in printed  # a single patent has no interval
    for warning in (
        "all gallery images are of one identity (patent)",
        "only one query is measured",
        "all features are equal",
    ):
        assert f"warning: flat: {warning}" in printed and warning in short_metrics(SetResult(splits, [evaluation], []))
