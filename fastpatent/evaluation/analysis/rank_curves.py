"""What the first ranks hold, as curves over the rank."""

from typing import NamedTuple

import numpy as np

from fastpatent.retrieval.metrics import RankMetrics


class RankCurves(NamedTuple):
    """Means over the queries that have a relevant image, float64 [depth] each, for the first 1..depth ranks.

    Attributes:
        precision: share of the ranks that are relevant.
        most: the highest precision that is possible, as a query has only so many relevant images.
        recall: share of the relevant images that are within these ranks.
        matched: share of the queries with a relevant image within them (CMC).
    """

    precision: np.ndarray
    most: np.ndarray
    recall: np.ndarray
    matched: np.ndarray


def rank_curves(metrics: RankMetrics, depth: int) -> RankCurves:
    """Return the RankCurves of ranks 1..depth; NaN where no query has a relevant image."""
    ranks, relevant = np.arange(1, depth + 1), metrics.relevant[metrics.matched]
    if not len(relevant):
        return RankCurves(*np.full((4, depth), np.nan))
    within = metrics.ranks <= depth
    shares = np.repeat(1 / relevant, relevant)[within]  # unmatched queries have no rank
    hits, found = (
        np.bincount(metrics.ranks[within], weights, depth + 1)[1:].cumsum() / len(relevant) for weights in (None, shares)
    )
    sizes, queries = np.unique(relevant, return_counts=True)
    most = np.minimum(sizes, ranks[:, None]) @ queries / len(relevant)
    return RankCurves(hits / ranks, most / ranks, found, metrics.cumulative_matches(depth))
