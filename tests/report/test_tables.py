"""The table of metrics of a run, and their line in a log."""

import io

import numpy as np
from rich.console import Console

from fastpatent.data.records import Sample, Splits
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.retrieval import Evaluation, rank_features
from fastpatent.report.tables import metrics_table, short_metrics
from fastpatent.retrieval.metrics import table_metrics


def test_a_row_has_every_metric_of_the_table_or_none_without_labels():
    samples = [Sample(f"{number}.png", f"patent{number % 3}") for number in range(12)]
    features = np.random.default_rng(0).standard_normal((12, 4)).astype(np.float32)
    splits = Splits("toy", [], samples[:3], samples[3:])
    evaluation = rank_features(Features("net", *np.split(features, [3])), splits)
    blind = Evaluation("blind", splits, evaluation.ranking, None)
    console = Console(width=140, file=io.StringIO())
    console.print(metrics_table([("net", evaluation), ("blind", blind)]))
    heading, _, measured, unknown = (line.split() for line in console.file.getvalue().splitlines())
    assert heading == ["system", "queries", "in", "gallery", *table_metrics()]
    assert measured == ["net", "toy", "3", "in", "9", *(f"{evaluation.summary[name]:.4f}" for name in table_metrics())]
    assert unknown == ["blind", "toy", "3", "in", "9,", "no", "labels", *["-"] * len(table_metrics())]


def test_a_log_has_the_first_metrics_of_images_and_texts():
    assert short_metrics({"mINP": 0.1, "Acc@1": 0.25, "mAP": 1.0}) == "mAP 1.0000  Acc@1 0.2500"
    assert short_metrics({"mean-R": 0.5, "mAP": 0.125}) == "mAP 0.1250  mean-R 0.5000"
    assert short_metrics({}) == "no labels, no metrics"
