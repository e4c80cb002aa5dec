"""Nearest gallery rows of every query and exact ranks of its relevant rows, in one pass over tiles of scores.

Ranks are counted, not sorted: the rank of a relevant row is one more than the number of gallery rows closer than it. A row
is closer if its score is higher or, at equal scores, its index lower. So no metric depends on tiles, threads or device.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse

from fastpatent.retrieval.distance import as_pair, squared_norms
from fastpatent.retrieval.free_memory import check_room
from fastpatent.retrieval.kernel import choose_kernel
from fastpatent.retrieval.metrics import RankMetrics
from fastpatent.retrieval.relevance import Identities, Members
from fastpatent.retrieval.score_tiles import Rows, ScoreTiles, shown_scores


class Ranking(NamedTuple):
    """Result of `rank`.

    Attributes:
        indices: int64 [queries, k], gallery rows, best first.
        scores: float32 [queries, k], higher is nearer.
        metrics: RankMetrics, or None without identities.
    """

    indices: np.ndarray
    scores: np.ndarray
    metrics: RankMetrics | None


def rank(
    query: np.ndarray,
    gallery: np.ndarray,
    k: int = 0,
    identities: Identities | None = None,
    metric: str = "cosine",
    scale: float = 1.0,
    bonus: sparse.csr_array | None = None,
    device: str | torch.device = "cpu",
) -> Ranking:
    """Rank the whole gallery for every query.

    Memory in addition to the features: a few tiles of features and scores, 20 bytes per gallery row and 36 per relevant row
    of a query. Rows are visited grouped by identity. The scores of a query's relevant rows, which are needed before closer
    rows can be counted, then lie in few tiles.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].
        k: number of nearest rows to return, limited to the size of the gallery.
        identities: (of the queries, of the gallery rows), sequences of str; rows of the same identity are relevant. None
            marks a query without relevant rows or a distractor.
        metric: "cosine", "euclidean" or "normalized_euclidean", see `ScoreTiles`.
        scale, bonus: a score is scale * cosine + bonus, a sparse float32 [queries, gallery]; for "cosine" only.
        device: "cpu", or the GPU to compute on.

    Returns:
        Ranking; its scores are cosines (with scale and bonus) or negative distances.

    Raises:
        DataError: as many identities as features are needed; features must be finite and of the same dimension; the
            k nearest must fit in memory.
    """
    query, gallery = as_pair(query, gallery, metric)
    members = Members(query, gallery, identities)
    kernel = choose_kernel(device)
    tiles = ScoreTiles(query, Rows(gallery, kernel, members.gallery_order), members.query_order, metric, scale, bonus)
    k = min(k, len(gallery))
    check_room(len(query), k)
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
        if counter and relevant:
            places = members.places(rows)
            ranks[places], ranked[places] = 1 + counter.result(), relevant.indices
    metrics = RankMetrics(ranks, members.relevant, rows=ranked) if identities is not None else None
    return Ranking(indices, shown_scores(scores, squared_norms(query)[:, None], metric), metrics)
