"""Which identities a system takes for each other, and which of these may be one design under two names."""

from typing import NamedTuple

import numpy as np

from fastpatent.data.records import Splits
from fastpatent.evaluation.analysis.pair_scores import PairScores


class Confusion(NamedTuple):
    """One identity that is taken for another: images of the other are nearer than every right one.

    Attributes:
        asked, found: the identities.
        queries, of: how many queries of `asked` it happens to, and how many there are.
        images: how many images of `found` are nearer, over these queries.
        mutual: whether `found` is taken for `asked` too.
        query, row: an example: the query, and the gallery row that is nearest to it, the best ranked of all examples.
    """

    asked: str
    found: str
    queries: int
    of: int
    images: int
    mutual: bool
    query: int
    row: int


class Duplicate(NamedTuple):
    """Two images of different identities that are more alike than the query and any right image.

    Attributes:
        query, row: the query and the gallery row.
        score: of the two.
        right: the highest score of a right pair of the query.
        above: share of all right pairs that score less.
        pairs: how many such pairs the two identities have, of which this one scores highest.
    """

    query: int
    row: int
    score: float
    right: float
    above: float
    pairs: int


def confusions(ranking: np.ndarray, splits: Splits) -> list[Confusion]:
    """Return the confusions in the first places of a ranking, those of most queries first, then of most images.

    Args:
        ranking: int64 [queries, places], gallery rows, best first.
        splits: the data set. Images without identity count as nothing.
    """
    images: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    asked: dict[str, int] = {}
    for query, sample in enumerate(splits.query):
        if sample.identity is None:
            continue
        asked[sample.identity] = asked.get(sample.identity, 0) + 1
        for place, row in enumerate(ranking[query].tolist()):
            other = splits.gallery[row].identity
            if other == sample.identity:
                break
            if other is not None:
                images.setdefault((sample.identity, other), []).append((place, query, row))
    found = []
    for (one, other), hits in images.items():
        _, query, row = min(hits)
        queries = len({query for _, query, _ in hits})
        found.append(Confusion(one, other, queries, asked[one], len(hits), (other, one) in images, query, row))
    return sorted(found, key=lambda pair: (-pair.queries, -pair.images, pair.asked, pair.found))


def duplicates(scores: PairScores, splits: Splits) -> list[Duplicate]:
    """Return the suspected duplicates, one for every two identities, the highest score first."""
    found: dict[frozenset[str], list[tuple[float, int, int]]] = {}
    above = (scores.scores > scores.best_right[:, None]).nonzero()  # false where there is no right pair
    for query, place in zip(*(axis.tolist() for axis in above)):
        row = int(scores.nearest[query, place])
        one, other = splits.query[query].identity, splits.gallery[row].identity
        if one is not None and other is not None:
            found.setdefault(frozenset((one, other)), []).append((-float(scores.scores[query, place]), query, row))
    best = sorted((*min(hits), len(hits)) for hits in found.values())
    return [
        Duplicate(query, row, -score, float(scores.best_right[query]), scores.share_of_right_below(-score), count)
        for score, query, row, count in best
    ]
