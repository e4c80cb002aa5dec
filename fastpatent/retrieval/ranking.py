"""One pass over tiles of scores: the nearest gallery rows of every query, and the exact ranks of its relevant rows.

Ranks are counted, not sorted: the rank of a relevant row is one more than the number of gallery rows closer than it. A row
is closer at a higher score and, at an equal one, at a lower index, so no figure depends on tiles, threads or device.
"""

from typing import NamedTuple

import numpy as np

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import as_pair, squared_norms
from fastpatent.retrieval.kernel import choose_kernel
from fastpatent.retrieval.metrics import RankMetrics
from fastpatent.retrieval.tiles import TILE, Rows, ScoreTiles


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

    Memory above the features: some tiles of each side and of scores, 20 bytes a gallery row, 28 a relevant row of a query.
    Queries and gallery rows are visited in groups of one identity: the scores of a query's relevant rows, which must be
    known before closer rows can be counted, then lie in few tiles.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].
        k: how many nearest rows to return; all of the gallery where it has fewer.
        identities: (of the queries, of the gallery rows), sequences of str to measure by. None is a query that nothing
            matches, and a distractor.
        metric: "cosine" or "euclidean".
        scale, bonus: a score is scale * cosine + bonus, a scipy.sparse matrix [queries, gallery]; for "cosine" only.
        device: "cpu", or the card to compute on.

    Returns:
        Ranking; its scores are cosines (with scale and bonus), or minus euclidean distances.

    Raises:
        DataError: as many identities as features are needed; features must be finite and of one dimension.
    """
    query, gallery = as_pair(query, gallery, metric)
    members = _Members(query, gallery, identities)
    kernel = choose_kernel(device)
    tiles = ScoreTiles(query, Rows(gallery, kernel, members.gallery_order), members.query_order, metric, scale, bonus)
    k = min(k, len(gallery))
    indices, scores = np.zeros((len(query), k), np.int64), np.zeros((len(query), k), np.float32)
    ranks = np.zeros(members.relevant.sum(), np.int64)
    for number in range(tiles.query.tiles):
        rows = tiles.take(number)
        top = kernel.top(len(rows), k) if k else None
        counter = members.counter(rows, tiles) if members.relevant[rows].any() else None
        consumers = list(filter(None, (top, counter)))
        for tile in range(tiles.gallery.tiles) if consumers else ():
            found = tiles.against(tile)
            for consumer in consumers:
                consumer.update(found, tiles.gallery.indices(tile))
        if top:
            indices[rows], scores[rows] = top.result()
        if counter:
            ranks[members.places(rows)] = 1 + counter.result()
    if metric == "euclidean":
        scores = -np.sqrt(np.maximum(squared_norms(query)[:, None] - scores, 0)).astype(np.float32)
    return Ranking(indices, scores, RankMetrics(ranks, members.relevant) if identities is not None else None)


class _Members:
    """Which gallery rows are relevant to which query, and the orders in which equal identities stand together.

    Attributes:
        query_order, gallery_order: int64 and int32, grouped by identity, groups in the order of their first gallery row.
        relevant: int64 [queries], how many gallery rows are relevant.
    """

    def __init__(self, query, gallery, identities):
        self.query_order, self.gallery_order = np.arange(len(query)), np.arange(len(gallery), dtype=np.int32)
        self.relevant = np.zeros(len(query), np.int64)
        if identities is None:
            return
        for features, names, side in zip((query, gallery), identities, ("query", "gallery")):
            if len(features) != len(names):
                raise DataError(f"{len(features)} {side} features came with {len(names)} identities")
        codes = {}
        distractor, unmatched = np.iinfo(np.int32).max - 1, np.iinfo(np.int32).max  # these groups come last
        of_gallery = (distractor if name is None else codes.setdefault(name, len(codes)) for name in identities[1])
        of_query = (unmatched if name is None else codes.get(name, unmatched) for name in identities[0])
        of_gallery, of_query = np.fromiter(of_gallery, np.int32, len(gallery)), np.fromiter(of_query, np.int32, len(query))
        if (of_query[1:] < of_query[:-1]).any():
            self.query_order = np.argsort(of_query, kind="stable")
        if (of_gallery[1:] < of_gallery[:-1]).any():  # in most lists drawings of one identity stand together already
            self.gallery_order = np.argsort(of_gallery, kind="stable").astype(np.int32)
        self._first = np.searchsorted(of_gallery, of_query, sorter=self.gallery_order)
        self.relevant = np.searchsorted(of_gallery, of_query, side="right", sorter=self.gallery_order) - self._first
        self._offsets = np.cumsum(self.relevant) - self.relevant

    def places(self, rows):
        """Return int64 [their relevant rows]: where the ranks of queries `rows` belong in the array of all ranks."""
        return _ranges(self._offsets[rows], self.relevant[rows])

    def counter(self, rows, tiles):
        """Return the kernel's counter for the queries that `tiles` has taken, thresholds closest first."""
        relevant = self.relevant[rows]
        owners = np.repeat(np.arange(len(rows)), relevant)
        places = _ranges(self._first[rows], relevant)  # in the grouped gallery
        scores = np.empty(len(places), np.float32)
        of_tile = places // TILE
        for tile in np.unique(of_tile):
            inside = np.flatnonzero(of_tile == tile)
            scores[inside] = tiles.kernel.pick(tiles.against(tile, keep=True), owners[inside], places[inside] - tile * TILE)
        indices = self.gallery_order[places].astype(np.int64)
        closest_first = np.lexsort((indices, -scores, owners))
        offsets = np.concatenate([[0], np.cumsum(relevant)])
        return tiles.kernel.counter(scores[closest_first], indices[closest_first], offsets)


def _ranges(starts, lengths):
    """Return int64 [sum of lengths]: starts[i], starts[i] + 1, ... lengths[i] of them, one range after another."""
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
