"""One pass over tiles of scores: the nearest gallery rows of every query, and the exact ranks of its relevant rows.

Ranks are counted, not sorted: the rank of a relevant row is one more than the number of gallery rows closer than it. A row
is closer at a higher score and, at an equal one, at a lower index, so no figure depends on tiles, threads or device.
"""

from typing import NamedTuple

import numpy as np

from fastpatent.retrieval.distance import as_pair, squared_norms
from fastpatent.retrieval.kernel import choose_kernel
from fastpatent.retrieval.members import Members
from fastpatent.retrieval.metrics import RankMetrics
from fastpatent.retrieval.tiles import Rows, ScoreTiles


class Ranking(NamedTuple):
    """What `rank` found.

    Attributes:
        indices: int64 [queries, k], gallery rows, best first.
        scores: float32 [queries, k], higher is nearer.
        metrics: RankMetrics, or None where identities were not given.
    """

    indices: np.ndarray
    scores: np.ndarray
    metrics: RankMetrics | None


def rank(query, gallery, k=0, identities=None, metric="cosine", scale=1.0, bonus=None, device="cpu"):
    """Rank the whole gallery for every query.

    Memory above the features: some tiles of each side and of scores, 20 bytes a gallery row, 36 a relevant row of a query.
    Queries and gallery rows are visited in groups of one identity: the scores of a query's relevant rows, which must be
    known before closer rows can be counted, then lie in few tiles.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].
        k: how many nearest rows to return; all of the gallery where it has fewer.
        identities: (of the queries, of the gallery rows), sequences of str to measure by. None is a query that nothing
            matches, and a distractor.
        metric: "cosine", "euclidean" or "normalized_euclidean", see `ScoreTiles`.
        scale, bonus: a score is scale * cosine + bonus, a scipy.sparse matrix [queries, gallery]; for "cosine" only.
        device: "cpu", or the card to compute on.

    Returns:
        Ranking; its scores are cosines (with scale and bonus), or minus distances.

    Raises:
        DataError: as many identities as features are needed; features must be finite and of one dimension.
    """
    query, gallery = as_pair(query, gallery, metric)
    members = Members(query, gallery, identities)
    kernel = choose_kernel(device)
    tiles = ScoreTiles(query, Rows(gallery, kernel, members.gallery_order), members.query_order, metric, scale, bonus)
    k = min(k, len(gallery))
    indices, scores = np.zeros((len(query), k), np.int64), np.zeros((len(query), k), np.float32)
    ranks, ranked = np.zeros((2, members.relevant.sum()), np.int64)
    for number in range(tiles.query.tiles):
        rows = tiles.take(number)
        top = kernel.top(len(rows), k) if k else None
        relevant = members.thresholds(rows, tiles) if members.relevant[rows].any() else None
        counter = kernel.counter(*relevant) if relevant else None
        consumers = list(filter(None, (top, counter)))
        for tile in range(tiles.gallery.tiles) if consumers else ():
            found = tiles.against(tile)
            for consumer in consumers:
                consumer.update(found, tiles.gallery.indices(tile))
        if top:
            indices[rows], scores[rows] = top.result()
        if counter:
            places = members.places(rows)
            ranks[places], ranked[places] = 1 + counter.result(), relevant.indices
    metrics = RankMetrics(ranks, members.relevant, rows=ranked) if identities is not None else None
    if metric != "cosine":
        nearest = squared_norms(query)[:, None] if metric == "euclidean" else 1
        scores = -np.sqrt(np.maximum(nearest - scores, 0)).astype(np.float32)
    return Ranking(indices, scores, metrics)
