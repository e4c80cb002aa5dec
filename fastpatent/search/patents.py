"""The patents nearest to some views: each view takes the best match among a patent's drawings, and their mean counts."""

import numpy as np

from fastpatent.retrieval.distance import squared_norms
from fastpatent.search.index import MOST_EXACT, Index
from fastpatent.search.layout import FLAT
from fastpatent.search.milvus_vectors import FEW
from fastpatent.search.nearest import maxima

FIRST = 4  # times k: drawings that an approximate index is asked for at first
DEEPEST = 1024  # drawings; if they are of k patents and the bound is not met, the answer is approximate


def best_patents(
    index: Index, views: np.ndarray, k: int, passed: np.ndarray | None = None, excluded: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (patents int64, scores float64), [min(k, patents that have a drawing to compare)], best first.

    score(patent) = mean over views v of max over its drawings d of <v, d>. Of equal scores the first by name comes first.
    An index of kind flat, or a filter that leaves MOST_EXACT drawings, is compared as a whole; of an index in Milvus FEW
    drawings are. Another index is asked for ever more drawings until no patent that was not met can be among the best
    (Fagin, Lotem and Naor, Optimal aggregation algorithms for middleware, JCSS 2003, the threshold algorithm); it is as
    exact as its search. There are never fewer than k where k exist.

    Args:
        index: that is searched.
        views: float32 [views, dim], of any length: a view counts by it.
        k: how many.
        passed: bool [drawings], that are compared; None: all.
        excluded: int64, numbers of patents that are no answers.
    """
    excluded = np.zeros(0, np.int64) if excluded is None else excluded
    if index.manifest["milvus"]:
        whole = (len(index) if passed is None else np.count_nonzero(passed)) <= FEW
    else:
        whole = index.manifest["kind"] == FLAT or (passed is not None and np.count_nonzero(passed) <= MOST_EXACT)
    if whole:
        return _best(*_scores(index, views, _close(index, views, k, passed, excluded)), k, excluded)
    return _deepened(index, views, k, passed, excluded)


def _scores(index: Index, views: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (numbers of patents, ascending; their scores, float64), of some rows, or those of bool [drawings]."""
    patents, starts = _groups(index, rows)
    return patents, _mean(views, maxima(index.cosines(views, rows), starts))


def _close(index: Index, views: np.ndarray, k: int, passed: np.ndarray | None, excluded: np.ndarray) -> np.ndarray:
    """Return rows that pass, ascending: those which may be the best of a patent that may be among the best k, by bounds."""
    patents, starts = _groups(index, passed)
    lower, upper = index.bounds(views, passed, starts)
    floors = _mean(views, lower)
    floors[np.isin(patents, excluded)] = -np.inf
    floor = np.partition(floors, -k)[-k] if k < len(floors) else -np.inf
    left = ~(_mean(views, upper) < floor)  # NaN too, of damaged vectors
    sizes = np.diff(starts, append=len(index) if passed is None else np.count_nonzero(passed))
    rows = np.flatnonzero(np.repeat(left, sizes))
    rows = rows if passed is None else np.flatnonzero(passed)[rows]
    behind = index.bounds(views, rows)[1] < np.repeat(lower[:, left], sizes[left], axis=1)
    return rows[~behind.all(axis=0)]


def _groups(index: Index, rows: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return (numbers of the patents that have some of the rows, ascending; places of their first ones among these)."""
    if rows is None:
        return np.arange(len(index.patents)), index.starts[:-1]
    patents = index.patent_of[rows]
    starts = np.flatnonzero(np.diff(patents, prepend=-1))
    return patents[starts], starts


def _mean(views: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Return float64 [patents]: the scores, for the best cosine of each view, float32 [views, patents]."""
    return (_lengths(views)[:, None] * best).mean(axis=0)


def _best(patents: np.ndarray, scores: np.ndarray, k: int, excluded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    left = ~np.isin(patents, excluded)
    patents, scores = patents[left], scores[left]
    if k < len(scores):
        close = np.flatnonzero(scores >= np.partition(scores, -k)[-k])  # more than k where several tie for the last place
        patents, scores = patents[close], scores[close]
    order = np.argsort(-scores, kind="stable")[:k]
    return patents[order], scores[order]


def _deepened(
    index: Index, views: np.ndarray, k: int, passed: np.ndarray | None, excluded: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    count = len(index) if passed is None else int(np.count_nonzero(passed))
    depth = FIRST * k + int(np.diff(index.starts)[excluded].sum())  # whose drawings may all be met first
    while depth < count:
        cosines, rows = index.search(views, depth, passed)
        met = np.zeros(len(index), bool)
        for patent in np.unique(index.patent_of[rows]).tolist():
            met[index.starts[patent] : index.starts[patent + 1]] = True
        found, scores = _best(*_scores(index, views, met if passed is None else met & passed), k, excluded)
        bound = (_lengths(views) * cosines[:, -1]).mean()  # of a patent that was not met
        if len(found) == k and (scores[-1] > bound or depth > DEEPEST):
            return found, scores
        if depth > DEEPEST:
            break
        depth *= 2
    return _best(*_scores(index, views, _close(index, views, k, passed, excluded)), k, excluded)


def _lengths(views: np.ndarray) -> np.ndarray:
    return np.sqrt(squared_norms(views))
