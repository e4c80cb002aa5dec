"""The figures of several systems on one data set: with intervals, without front-page twins, and as the database grows."""

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import NamedTuple

import numpy as np

from fastpatent.data.datasets import DATASETS
from fastpatent.data.datasets.drawings import hashed_order
from fastpatent.data.samples import Splits, names_below
from fastpatent.errors import DataError
from fastpatent.evaluation.bootstrap import bootstrap_intervals
from fastpatent.retrieval.growth import rank_growing

FIGURES = ("mAP", "Acc@1", "Acc@5", "Acc@20", "mAP@10", "mAP@max")
GROWTH_FIGURES = ("mAP", "Acc@1", "Acc@10")
GROWTH_SIZES = 9
FRONT_PAGE = "-D00000"  # how the name of the drawing ends that the patent office prints on the front page


class Figure(NamedTuple):
    """A mean over queries, and its 95% interval when the patents are drawn anew."""

    mean: float
    low: float
    high: float


@dataclass
class SystemResult:
    """The figures of one system.

    Attributes:
        system: name for tables.
        source: the configuration file or run it came from.
        dim: numbers a drawing.
        figures: {name of FIGURES: Figure}. mAP@max is AP cut at the largest number of relevant drawings of any query, as
            Higuchi & Yanai print it.
        without_twin: the same with the front-page drawing of a query's own patent taken out of its relevant drawings and of
            the database.
        growth: {name of GROWTH_FIGURES: list of float, one for each of Benchmark.sizes}; empty where not measured.
    """

    system: str
    source: str
    dim: int
    figures: dict
    without_twin: dict
    growth: dict = field(default_factory=dict)


@dataclass
class Benchmark:
    """What `fastpatent benchmark` found on one data set.

    Attributes:
        dataset: its name.
        counts: {"queries", "database", "patents" (of the queries), "front pages" (in the database, of their patents): int}.
        results: list of SystemResult.
        published: list of (system, source, {name: float}) printed elsewhere for this very data set, if any.
        sizes: database sizes of the growth curves, ascending; empty where there are none.
        made: {what: text}: date, command, machine, device, versions, seed, resamples.
        missing: list of (system, why it was not measured).
        texts: list of (system, TextImageMetrics), of networks with a text tower on drawings that have texts.
    """

    dataset: str
    counts: dict
    results: list
    published: list
    sizes: list
    made: dict
    missing: list = field(default_factory=list)
    texts: list = field(default_factory=list)


def front_pages(samples):
    """Return bool [samples]: which drawings are those that the patent office prints on the front page."""
    return np.array([PurePath(sample.path).stem.endswith(FRONT_PAGE) for sample in samples], bool)


def counts_of(splits):
    """Return the `counts` of a Benchmark on a data set."""
    asked = {sample.identity for sample in splits.query}
    fronts = front_pages(splits.gallery)
    return {
        "queries": len(splits.query),
        "database": len(splits.gallery),
        "patents": len(asked),
        "front pages": sum(bool(front) and sample.identity in asked for front, sample in zip(fronts, splits.gallery)),
    }


def query_figures(metrics):
    """Return {name of FIGURES: float64 [queries]} of RankMetrics; NaN for queries without a relevant drawing."""
    accuracy = {f"Acc@{k}": np.where(metrics.matched, metrics.first_hit <= k, np.nan) for k in (1, 5, 10, 20)}
    return accuracy | {
        "mAP": metrics.average_precision,
        "mAP@10": metrics.average_precision_at(10),
        "mAP@max": metrics.average_precision_at(metrics.relevant.max(initial=0)),
    }


def figures_with_intervals(metrics, identities, resamples, seed):
    """Return {name of FIGURES: Figure}, means over the queries that have something to find.

    Args:
        metrics: RankMetrics.
        identities: list of str, the patent of each query, which is what is drawn anew.
        resamples, seed: see `bootstrap_intervals`.
    """
    found = query_figures(metrics)
    values = np.stack([found[name] for name in FIGURES], axis=1)[metrics.matched]
    intervals = bootstrap_intervals(values, np.array(identities)[metrics.matched], resamples, seed)
    means = values.mean(axis=0) if len(values) else np.full(len(FIGURES), np.nan)
    return {name: Figure(*map(float, (mean, *ends))) for name, mean, ends in zip(FIGURES, means, intervals)}


def measure(system, source, dim, evaluation, resamples, seed):
    """Return the SystemResult of an Evaluation, without growth."""
    metrics, splits = evaluation.metrics, evaluation.splits
    identities = [sample.identity for sample in splits.query]
    without = metrics.without(front_pages(splits.gallery))
    both = (figures_with_intervals(of, identities, resamples, seed) for of in (metrics, without))
    return SystemResult(system, source, dim, *both)


def read_distractors(cfg, splits):
    """Return the drawings that BENCHMARK.DISTRACTORS adds to the database of `splits`: validation before training, as the
    DeepPatent paper adds them, and shuffled within.

    Drawings of the queries' patents, and those that `splits` or an earlier data set has already, are left out.

    Returns:
        Splits with the drawings in `gallery`.

    Raises:
        DataError: nothing is left.
    """
    known = {sample.path for sample in (*splits.query, *splits.gallery)}
    asked, parts = {sample.identity for sample in splits.query}, ([], [])
    for name in cfg.BENCHMARK.DISTRACTORS:
        found = DATASETS.get(name)(cfg)
        for part, samples in zip(parts, (found.query + found.gallery, found.train)):
            part += [sample for sample in samples if sample.path not in known and sample.identity not in asked]
            known.update(sample.path for sample in samples)
    gallery = []
    for part in parts:
        by_name = dict(zip(names_below(cfg.DATASETS.ROOT, part), part))
        gallery += [by_name[name] for name in hashed_order(by_name, cfg.SEED)]
    if not gallery:
        raise DataError(f"BENCHMARK.DISTRACTORS: {', '.join(cfg.BENCHMARK.DISTRACTORS)} add no drawing to {splits.name}")
    return Splits(f"{splits.name}-distractors", [], [], gallery)


def growth_sizes(gallery, distractors):
    """Return database sizes from `gallery` to all, evenly on a logarithmic axis; int list, ascending."""
    return np.unique(np.geomspace(gallery, gallery + distractors, GROWTH_SIZES).round().astype(int)).tolist()


def growth(features, distractors, splits, sizes, metric, device="cpu"):
    """Return {name of GROWTH_FIGURES: list of float} of a database to which distractors are added, one pass for all sizes.

    Args:
        features: float32 [queries + gallery, dim].
        distractors: float32 [distractors, dim], in the order of `read_distractors`.
        splits: the data set.
        sizes: of `growth_sizes`.
        metric, device: see `rank_growing`.
    """
    query, gallery = np.split(features, [len(splits.query)])
    identities = [[sample.identity for sample in side] for side in (splits.query, splits.gallery)]
    by_size = [
        query_figures(found) for found in rank_growing(query, gallery, distractors, identities, sizes, metric, device)
    ]
    return {name: [float(np.nanmean(figures[name])) for figures in by_size] for name in GROWTH_FIGURES}
