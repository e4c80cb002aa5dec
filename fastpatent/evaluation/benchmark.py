"""Metrics of several systems on one data set: with intervals, without front-page twins, and for growing galleries."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

import numpy as np
import torch
from yacs.config import CfgNode

from fastpatent.data.load_datasets import build_splits
from fastpatent.data.records import Sample, Splits, names_below
from fastpatent.data.splitting import hashed_order
from fastpatent.errors import DataError
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.intervals import Figure, mean_figures
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.evaluation.text_image import TextImageMetrics
from fastpatent.registry import METRICS
from fastpatent.retrieval.growth import rank_growing
from fastpatent.retrieval.metrics import RankMetrics

FIGURES = ("mAP", "Acc@1", "Acc@5", "Acc@20", "mAP@10", "mAP@max")
GROWTH_FIGURES = ("mAP", "Acc@1", "Acc@10")
GROWTH_SIZES = 9
FRONT_PAGE = "-D00000"  # end of the name of the drawing that the patent office prints on the front page


@dataclass
class SystemResult:
    """The metrics of one system.

    Attributes:
        system: name for tables.
        source: the configuration file or run it came from.
        dim: of the features.
        figures: {name of FIGURES: Figure}.
        without_twin: the same with the front-page drawing of a query's own patent removed from its relevant images and from
            the gallery.
        growth: {name of GROWTH_FIGURES: list of float, one for each of Benchmark.sizes}; empty where not measured.
    """

    system: str
    source: str
    dim: int
    figures: dict[str, Figure]
    without_twin: dict[str, Figure]
    growth: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class Benchmark:
    """What `fastpatent benchmark` found on one data set.

    Attributes:
        dataset: its name.
        counts: {"queries", "database", "patents" (of the queries), "front pages" (in the gallery, of their patents): int}.
        results: list of SystemResult.
        published: list of (system, source, {name: float}) printed elsewhere for this very data set, if any.
        sizes: gallery sizes of the growth curves, ascending; empty where there are none.
        made: {what: text}: date, command, machine, device, versions, seed, resamples.
        missing: list of (system, why it was not measured).
        texts: list of (system, TextImageMetrics), of networks with a text tower on images that have texts.
        warnings: see `Splits`.
    """

    dataset: str
    counts: dict[str, int]
    results: list[SystemResult]
    published: list[tuple[str, str, dict[str, float]]]
    sizes: list[int]
    made: dict[str, str | int]
    missing: list[tuple[str, str]] = field(default_factory=list)
    texts: list[tuple[str, TextImageMetrics]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def front_pages(samples: Sequence[Sample]) -> np.ndarray:
    """Return bool [samples]: which of them the patent office prints on the front page."""
    return np.array([PurePath(sample.path).stem.endswith(FRONT_PAGE) for sample in samples], bool)


def counts_of(splits: Splits) -> dict[str, int]:
    """Return the `counts` of a Benchmark on a data set."""
    asked = {sample.identity for sample in splits.query}
    fronts = front_pages(splits.gallery)
    return {
        "queries": len(splits.query),
        "database": len(splits.gallery),
        "patents": len(asked),
        "front pages": sum(bool(front) and sample.identity in asked for front, sample in zip(fronts, splits.gallery)),
    }


def query_figures(metrics: RankMetrics, names: Sequence[str]) -> list[np.ndarray]:
    """Return float64 [queries] of each metric by name; NaN for queries without a relevant image."""
    return [METRICS.get(name).formula(metrics) for name in names]


def figures_with_intervals(
    metrics: RankMetrics, identities: Sequence[str | None], resamples: int, seed: int
) -> dict[str, Figure]:
    """Return {name of FIGURES: Figure}, means over the queries that have something to find.

    Args:
        metrics: RankMetrics.
        identities: the patent of each query; the bootstrap resamples patents.
        resamples, seed: see `bootstrap_intervals`.
    """
    values = np.stack(query_figures(metrics, FIGURES), axis=1)[metrics.matched]
    return dict(zip(FIGURES, mean_figures(values, np.array(identities)[metrics.matched], resamples, seed)))


def measure(evaluation: Evaluation, source: str, resamples: int, seed: int) -> SystemResult:
    """Return the SystemResult of an Evaluation with metrics and features, without growth."""
    metrics, splits = evaluation.metrics, evaluation.splits
    assert metrics is not None and evaluation.features is not None, "a benchmark has identities and features"
    identities = [sample.identity for sample in splits.query]
    without = metrics.without(front_pages(splits.gallery))
    dim = evaluation.features.gallery.shape[1]
    whole, twinless = (figures_with_intervals(of, identities, resamples, seed) for of in (metrics, without))
    return SystemResult(evaluation.name, source, dim, whole, twinless)


def read_distractors(cfg: CfgNode, splits: Splits) -> Splits:
    """Return the images that BENCHMARK.DISTRACTORS adds to the gallery of `splits`: validation before training, as in the
    DeepPatent paper, each in random order.

    Images of the queries' patents, and those that `splits` or an earlier data set already has, are skipped.

    Returns:
        Splits with the images in `gallery`.

    Raises:
        DataError: nothing is left.
    """
    known = {sample.path for sample in (*splits.query, *splits.gallery)}
    asked = {sample.identity for sample in splits.query}
    parts: tuple[list[Sample], list[Sample]] = [], []
    for name in cfg.BENCHMARK.DISTRACTORS:
        found = build_splits(cfg, name)
        for part, samples in zip(parts, (found.query + found.gallery, found.train)):
            part += [sample for sample in samples if sample.path not in known and sample.identity not in asked]
            known.update(sample.path for sample in samples)
    gallery: list[Sample] = []
    for part in parts:
        by_name = dict(zip(names_below(cfg.DATASETS.ROOT, part), part))
        gallery += [by_name[name] for name in hashed_order(by_name, cfg.SEED)]
    if not gallery:
        raise DataError(f"BENCHMARK.DISTRACTORS: {', '.join(cfg.BENCHMARK.DISTRACTORS)} add no drawing to {splits.name}")
    return Splits(f"{splits.name}-distractors", [], [], gallery)


def growth_sizes(gallery: int, distractors: int) -> list[int]:
    """Return gallery sizes from `gallery` to all, evenly on a logarithmic axis; int list, ascending."""
    return np.unique(np.geomspace(gallery, gallery + distractors, GROWTH_SIZES).round().astype(int)).tolist()


def growth(
    features: Features,
    distractors: np.ndarray,
    splits: Splits,
    sizes: Sequence[int],
    device: torch.device | str = "cpu",
) -> dict[str, list[float]]:
    """Return {name of GROWTH_FIGURES: list of float} of a gallery to which distractors are added, one pass for all sizes.

    Args:
        features: Features of the data set.
        distractors: float32 [distractors, dim], in the order of `read_distractors`.
        splits: the data set.
        sizes: of `growth_sizes`.
        device: where to compute.
    """
    _, query, gallery, metric = features
    identities = [[sample.identity for sample in side] for side in (splits.query, splits.gallery)]
    by_size = [
        query_figures(found, GROWTH_FIGURES)
        for found in rank_growing(query, gallery, distractors, identities, sizes, metric, device)
    ]
    return {name: [float(np.nanmean(figures[place])) for figures in by_size] for place, name in enumerate(GROWTH_FIGURES)}
