"""Metrics that follow from exact ranks: AP (DeepPatent paper, eq. 6), Acc@k, CMC, INP, truncated AP, and recall of texts.

METRICS names each of them once; tables, the choice of the best checkpoint and the benchmark read it there. To add one,
register a `Metric` of the ranks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from fastpatent.errors import ConfigError
from fastpatent.registry import METRICS

IMAGES, TEXT_TO_IMAGE, IMAGE_TO_TEXT = "image to image", "text to image", "image to text"  # which ranking is measured


@dataclass(frozen=True)
class RankMetrics:
    """The ranks of every query's relevant gallery rows, and the metrics that follow from them.

    A query without a relevant row has no value (NaN, rank 0) and is excluded from every mean.

    Attributes:
        ranks: int64 [total relevant], 1-based, ascending for each query, query after query.
        relevant: int64 [queries], how many of `ranks` belong to each query.
        rows: int64 [total relevant], the gallery row at each of `ranks`; None where it was not stored.
    """

    ranks: np.ndarray
    relevant: np.ndarray
    rows: np.ndarray | None = None

    @cached_property
    def average_precision(self) -> np.ndarray:
        """float64 [queries]: mean over the relevant rows of the precision at their rank; NaN without a relevant row."""
        return self.average_precision_at(np.iinfo(np.int64).max)

    def average_precision_at(self, depth: int | np.ndarray) -> np.ndarray:
        """Return float64 [queries]: AP over the first `depth` ranks, divided by min(relevant, depth).

        Args:
            depth: int or int [queries]. 10: the challenge's AP@10; `relevant`: AP@R; the largest number of relevant
                rows of any query: the AP of Higuchi & Yanai, whose divisor is then every query's own relevant.
        """
        depth = np.broadcast_to(depth, self.relevant.shape)
        hits = np.arange(1, len(self.ranks) + 1) - np.repeat(np.cumsum(self.relevant) - self.relevant, self.relevant)
        precision = np.where(self.ranks <= depth[self._owner], hits / self.ranks, 0.0)
        sums = np.bincount(self._owner, weights=precision, minlength=len(self.relevant))
        return self._of_matched(sums, np.minimum(self.relevant, depth))

    @cached_property
    def inverse_negative_penalty(self) -> np.ndarray:
        """float64 [queries]: relevant rows over the rank of the last of them (Ye et al., 2021); NaN without any."""
        last = np.zeros(len(self.relevant), np.int64)
        last[self.matched] = self.ranks[np.cumsum(self.relevant)[self.matched] - 1]
        return self._of_matched(self.relevant, last)

    @cached_property
    def first_hit(self) -> np.ndarray:
        """int64 [queries]: rank of the nearest relevant row, from 1; 0 without any."""
        first = np.zeros(len(self.relevant), np.int64)
        first[self.matched] = self.ranks[(np.cumsum(self.relevant) - self.relevant)[self.matched]]
        return first

    def accuracy_at(self, k: int) -> np.ndarray:
        """Return float64 [queries]: 1 where a relevant row is among the first k, 0 where none is; NaN without any."""
        return np.where(self.matched, self.first_hit <= k, np.nan)

    def cumulative_matches(self, depth: int) -> np.ndarray:
        """Return the CMC curve, float64 [depth]: the share of matched queries with their first hit in the first 1..depth."""
        first = self.first_hit[self.matched]
        within = np.bincount(first[first <= depth], minlength=depth + 1)[1:].cumsum()
        return within / len(first) if len(first) else np.full(depth, np.nan)

    def without(self, excluded: np.ndarray) -> "RankMetrics":
        """Return the RankMetrics with some gallery rows removed for the queries that they are relevant to.

        Such a row is neither relevant to these queries any more nor in their gallery; it stays in that of other queries.

        Args:
            excluded: bool [gallery].
        """
        assert self.rows is not None, "the gallery rows of these ranks were not stored"
        gone = excluded[self.rows]
        before = np.cumsum(gone) - gone
        before -= before[(np.cumsum(self.relevant) - self.relevant)[self._owner]]  # of the same query
        relevant = self.relevant - np.bincount(self._owner, weights=gone, minlength=len(self.relevant)).astype(np.int64)
        return RankMetrics((self.ranks - before)[~gone], relevant, self.rows[~gone])

    @cached_property
    def matched(self) -> np.ndarray:
        """bool [queries]: whether the gallery holds a relevant row."""
        return self.relevant > 0

    @cached_property
    def summary(self) -> dict[str, float]:
        """Means of the metrics over the matched queries (NaN where none is matched), as fractions, and two counts.

        queries: how many were evaluated; unmatched: how many were skipped because the gallery holds nothing relevant.
        """
        evaluated = int(self.matched.sum())
        return summarise({IMAGES: self}) | {"queries": evaluated, "unmatched": len(self.relevant) - evaluated}

    @cached_property
    def _owner(self) -> np.ndarray:
        """int64 [total relevant]: the query each rank belongs to."""
        return np.repeat(np.arange(len(self.relevant)), self.relevant)

    def _of_matched(self, above: np.ndarray, below: np.ndarray) -> np.ndarray:
        """Return above / below in float64, NaN for unmatched queries."""
        return np.divide(above, below, out=np.full(len(self.relevant), np.nan), where=self.matched)


class Metric(NamedTuple):
    """One metric of a ranking.

    Attributes:
        formula: function of RankMetrics that returns float64 [queries], NaN for queries without a relevant row; None of a
            metric that is the mean of `parts`.
        ranking: IMAGES, TEXT_TO_IMAGE or IMAGE_TO_TEXT, which ranking it is measured on.
        greater_is_better: its direction, by which the best checkpoint is chosen.
        in_table: whether it has a column in the table of a run.
        parts: names of metrics.
    """

    formula: Callable[[RankMetrics], np.ndarray] | None
    ranking: str = IMAGES
    greater_is_better: bool = True
    in_table: bool = True
    parts: tuple[str, ...] = ()

    def mean(self, rankings: dict[str, RankMetrics]) -> float | None:
        """Return the mean over the matched queries, NaN where there is none; None where a ranking was not measured.

        Args:
            rankings: {IMAGES, TEXT_TO_IMAGE, IMAGE_TO_TEXT: RankMetrics}, those that were measured.
        """
        if self.formula is None:
            means = [METRICS.get(part).mean(rankings) for part in self.parts]
            return None if None in means else float(np.mean(means))
        if self.ranking not in rankings:
            return None
        metrics = rankings[self.ranking]
        values = self.formula(metrics)[metrics.matched]
        return float(values.mean()) if len(values) else float("nan")

    @property
    def rankings(self) -> set[str]:
        """The rankings that it is measured on."""
        return set().union(*(METRICS.get(part).rankings for part in self.parts)) if self.parts else {self.ranking}

    def is_better(self, value: float, best: float) -> bool:
        """Return whether a value is better than the best so far."""
        return value > best if self.greater_is_better else value < best


def summarise(rankings: dict[str, RankMetrics]) -> dict[str, float]:
    """Return {name: mean} of every metric that the rankings allow."""
    means = {name: metric.mean(rankings) for name, metric in METRICS.all().items()}
    return {name: mean for name, mean in means.items() if mean is not None}


def mean_of(names: Sequence[str]) -> str:
    """Return the name of the metric that is the mean of others, and register it; of a single one its own name.

    Raises:
        ConfigError: an unknown name, or of some a greater value is better and of others a smaller one.
    """
    if len(names) == 1:
        return names[0]
    directions = {METRICS.get(name).greater_is_better for name in names}
    if len(directions) > 1:
        raise ConfigError(f"{METRICS.key}: {', '.join(names)} have no mean: of some of them a smaller value is better")
    mean = f"mean of {', '.join(names)}"
    if mean not in METRICS.all():
        METRICS.register(Metric(None, greater_is_better=directions.pop(), in_table=False, parts=tuple(names)), name=mean)
    return mean


def table_metrics() -> list[str]:
    """Return the names of the metrics of images that have a column in the table of a run."""
    return [name for name, metric in METRICS.all().items() if metric.in_table and metric.rankings == {IMAGES}]


def _accuracy(k: int, metrics: RankMetrics) -> np.ndarray:
    return metrics.accuracy_at(k)


METRICS.register(Metric(lambda metrics: metrics.average_precision), name="mAP")
for _k in (1, 5, 10, 20):
    METRICS.register(Metric(partial(_accuracy, _k)), name=f"Acc@{_k}")
METRICS.register(Metric(lambda metrics: metrics.average_precision_at(10)), name="mAP@10")
METRICS.register(Metric(lambda metrics: metrics.average_precision_at(metrics.relevant), in_table=False), name="mAP@R")
METRICS.register(Metric(lambda metrics: metrics.inverse_negative_penalty), name="mINP")
# AP cut at the largest number of relevant rows of any query, as Higuchi & Yanai print it
METRICS.register(
    Metric(lambda metrics: metrics.average_precision_at(metrics.relevant.max(initial=0)), in_table=False), name="mAP@max"
)
for _ranking, _short in ((TEXT_TO_IMAGE, "T2I"), (IMAGE_TO_TEXT, "I2T")):
    for _k in (1, 5, 10):
        METRICS.register(Metric(partial(_accuracy, _k), _ranking), name=f"{_short}-R@{_k}")
RECALLS = tuple(f"{short}-R@{k}" for short in ("T2I", "I2T") for k in (1, 5, 10))
METRICS.register(Metric(None, parts=RECALLS), name="mean-R")
