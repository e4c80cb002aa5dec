"""The scores of all pairs of a query and a gallery image: how right and wrong pairs are distributed, tile by tile."""

from typing import NamedTuple

import numpy as np
import torch

from fastpatent.evaluation.features import Features
from fastpatent.retrieval.distance import as_pair, squared_norms
from fastpatent.retrieval.kernel import choose_kernel
from fastpatent.retrieval.relevance import Identities, Members
from fastpatent.retrieval.score_tiles import Rows, ScoreTiles, shown_scores

BINS = 2000


class PairScores(NamedTuple):
    """Scores of all pairs; a score is a cosine or a negative distance.

    Attributes:
        edges: float64 [BINS + 1], ascending; the bins hold every score that is possible.
        right, wrong, unknown: int64 [BINS], pairs of one identity, of two, and those of a query without identity.
        best_right: float32 [queries], the highest score of a right pair of each query; NaN where it has none.
        nearest: int64 [queries, k], the gallery rows that score highest.
        scores: float32 [queries, k], their scores.
    """

    edges: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    unknown: np.ndarray
    best_right: np.ndarray
    nearest: np.ndarray
    scores: np.ndarray

    @property
    def overlap(self) -> tuple[float, float]:
        """(threshold, overlap): the threshold that errs least, and the share of right pairs below it plus that of wrong
        pairs at or above it: 0 where they are apart, 1 where they are distributed alike. NaN without pairs of both kinds.

        It is 1 minus the statistic of Kolmogorov and Smirnov, up to the width of a bin.
        """
        if not self.right.sum() or not self.wrong.sum():
            return float("nan"), float("nan")
        below = [np.concatenate([[0], np.cumsum(counts)]) / counts.sum() for counts in (self.right, self.wrong)]
        errors = below[0] + 1 - below[1]
        return float(self.edges[errors.argmin()]), float(errors.min())

    @property
    def separation(self) -> float:
        """The share of couples of a right and a wrong pair in which the right one scores higher; equal bins count half."""
        right, wrong = self.right.astype(np.float64), self.wrong.astype(np.float64)
        couples = right.sum() * wrong.sum()
        return float(right @ (np.cumsum(wrong) - wrong / 2) / couples) if couples else float("nan")

    def share_of_right_below(self, score: float) -> float:
        """Return the share of right pairs that score less, up to the width of a bin."""
        return float(self.right[: self._bins(np.array(score))].sum() / max(self.right.sum(), 1))

    def _bins(self, scores: np.ndarray) -> np.ndarray:
        """Return the bin of each score, intp of any shape."""
        low, high = self.edges[0], self.edges[-1]
        return ((scores - low) * (BINS / (high - low))).astype(np.intp).clip(0, BINS - 1)

    def _count(self, counts: np.ndarray, scores: np.ndarray) -> None:
        counts += np.bincount(self._bins(scores).ravel(), minlength=BINS)


def pair_scores(features: Features, identities: Identities, k: int = 10, device: torch.device | str = "cpu") -> PairScores:
    """Return the PairScores of features, exact, in the memory of a few tiles beside them.

    Args:
        features: Features.
        identities: of queries and gallery, see `fastpatent.retrieval.ranking.rank`.
        k: number of nearest rows, limited to the size of the gallery.
        device: where to compute.

    Raises:
        DataError: as `rank`.
    """
    query, gallery = as_pair(features.query, features.gallery, features.metric)
    members, kernel, k = Members(query, gallery, identities), choose_kernel(device), min(k, len(gallery))
    tiles = ScoreTiles(query, Rows(gallery, kernel, members.gallery_order), members.query_order, features.metric)
    right, wrong, unknown = np.zeros((3, BINS), np.int64)
    best_right = np.full(len(query), np.nan, np.float32)
    nearest, best = np.zeros((len(query), k), np.int64), np.zeros((len(query), k), np.float32)
    edges = np.linspace(*_range(query, gallery, features.metric), BINS + 1)
    found = PairScores(edges, right, wrong, unknown, best_right, nearest, best)
    labelled = np.array([name is not None for name in identities[0]], bool)
    for number in range(tiles.query.tiles):
        rows = tiles.take(number)
        squares, known, top = squared_norms(query[rows])[:, None], labelled[rows], kernel.top(len(rows), k)
        own, _, offsets = members.thresholds(rows, tiles)  # closest first
        counts = np.diff(offsets)
        own = shown_scores(own, np.repeat(squares[:, 0], counts), features.metric)
        found._count(right, own)
        best_right[rows[counts > 0]] = own[offsets[:-1][counts > 0]]
        for tile in range(tiles.gallery.tiles):
            scores, columns = tiles.against(tile), tiles.gallery.indices(tile)
            top.update(scores, columns)
            shown = shown_scores(kernel.fetch(scores)[: len(rows), : len(columns)], squares, features.metric)
            for counted, chosen in ((wrong, known), (unknown, ~known)):
                if chosen.any():
                    found._count(counted, shown if chosen.all() else shown[chosen])
        nearest[rows], scores = top.result()
        best[rows] = shown_scores(scores, squares, features.metric)
    wrong -= right
    return found


def _range(query: np.ndarray, gallery: np.ndarray, metric: str) -> tuple[float, float]:
    """Return the lowest and the highest score that is possible."""
    if metric == "euclidean":
        longest = sum(float(np.sqrt(squared_norms(side).max(initial=0))) for side in (query, gallery))
        return -(longest or 1.0), 0.0
    return -1.0, 1.0 if metric == "cosine" else 0.0
