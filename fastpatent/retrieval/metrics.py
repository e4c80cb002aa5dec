"""Figures that follow from exact ranks: AP (DeepPatent paper, eq. 6), Acc@k, CMC, INP and truncated AP."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class RankMetrics:
    """The ranks of every query's relevant gallery rows, and the figures that follow from them.

    A query without a relevant row has no figure (NaN, rank 0) and is left out of every mean.

    Attributes:
        ranks: int64 [total relevant], 1-based, ascending for each query, query after query.
        relevant: int64 [queries], how many of `ranks` belong to each query.
        accuracy_at: the k of Acc@k in `summary`.
        rows: int64 [total relevant], the gallery row at each of `ranks`; None where that was not kept.
    """

    ranks: np.ndarray
    relevant: np.ndarray
    accuracy_at: tuple = field(default=(1, 5, 10, 20))
    rows: np.ndarray | None = None

    @cached_property
    def average_precision(self):
        """float64 [queries]: mean over the relevant rows of the precision at their rank; NaN without a relevant row."""
        return self.average_precision_at(np.iinfo(np.int64).max)

    def average_precision_at(self, depth):
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
    def inverse_negative_penalty(self):
        """float64 [queries]: relevant rows over the rank of the last of them (Ye et al., 2021); NaN without any."""
        last = np.zeros(len(self.relevant), np.int64)
        last[self.matched] = self.ranks[np.cumsum(self.relevant)[self.matched] - 1]
        return self._of_matched(self.relevant, last)

    @cached_property
    def first_hit(self):
        """int64 [queries]: rank of the nearest relevant row, from 1; 0 without any."""
        first = np.zeros(len(self.relevant), np.int64)
        first[self.matched] = self.ranks[(np.cumsum(self.relevant) - self.relevant)[self.matched]]
        return first

    def cumulative_matches(self, depth):
        """Return the CMC curve, float64 [depth]: the share of matched queries with their first hit in the first 1..depth."""
        first = self.first_hit[self.matched]
        within = np.bincount(first[first <= depth], minlength=depth + 1)[1:].cumsum()
        return within / len(first) if len(first) else np.full(depth, np.nan)

    def without(self, excluded):
        """Return the RankMetrics with some gallery rows taken from the queries that they are relevant to.

        Such a row is neither relevant to these queries any more nor in their gallery; other queries still have it in theirs.

        Args:
            excluded: bool [gallery].
        """
        gone = excluded[self.rows]
        before = np.cumsum(gone) - gone
        before -= before[(np.cumsum(self.relevant) - self.relevant)[self._owner]]  # of the same query
        relevant = self.relevant - np.bincount(self._owner, weights=gone, minlength=len(self.relevant)).astype(np.int64)
        return RankMetrics((self.ranks - before)[~gone], relevant, self.accuracy_at, self.rows[~gone])

    @cached_property
    def matched(self):
        """bool [queries]: whether the gallery holds a relevant row."""
        return self.relevant > 0

    @cached_property
    def summary(self):
        """dict of means over the matched queries, as fractions (NaN where no query is matched), and two counts.

        mAP; Acc@k: share of queries with a relevant row in the first k; mAP@10; mAP@R; mINP; queries: how many were
        evaluated; unmatched: how many were left out because the gallery holds nothing relevant to them.
        """
        figures = {"mAP": self.average_precision}
        figures |= {f"Acc@{k}": (self.first_hit <= k).astype(np.float64) for k in self.accuracy_at}
        figures |= {
            "mAP@10": self.average_precision_at(10),
            "mAP@R": self.average_precision_at(self.relevant),
            "mINP": self.inverse_negative_penalty,
        }
        evaluated = int(self.matched.sum())
        means = {name: float(values[self.matched].mean()) if evaluated else float("nan") for name, values in figures.items()}
        return means | {"queries": evaluated, "unmatched": len(self.relevant) - evaluated}

    @cached_property
    def _owner(self):
        """int64 [total relevant]: the query each rank belongs to."""
        return np.repeat(np.arange(len(self.relevant)), self.relevant)

    def _of_matched(self, above, below):
        """Return above / below in float64, NaN for unmatched queries."""
        return np.divide(above, below, out=np.full(len(self.relevant), np.nan), where=self.matched)
