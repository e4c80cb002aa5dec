"""Which gallery rows are relevant to each query, and their scores."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastpatent.errors import DataError
from fastpatent.retrieval.score_tiles import TILE, ScoreTiles

Identities = Sequence[Sequence[str | None]]  # (of the queries, of the gallery rows)


class Thresholds(NamedTuple):
    """The relevant gallery rows of some queries, closest first; all other rows are counted against them.

    Attributes:
        scores: float32 [relevant rows].
        indices: int64 [relevant rows], in the gallery.
        offsets: int64 [queries + 1]; query i has the rows offsets[i]:offsets[i + 1].
    """

    scores: np.ndarray
    indices: np.ndarray
    offsets: np.ndarray


class Members:
    """Which gallery rows are relevant to each query, and the orders that group equal identities.

    Args:
        query, gallery: float32 [rows, dim].
        identities: of both, see `fastpatent.retrieval.ranking.rank`; None: no row is relevant.

    Attributes:
        query_order, gallery_order: int64 and int32 row indices, grouped by identity in the order of first gallery rows.
        relevant: int64 [queries], number of relevant gallery rows.
    """

    def __init__(self, query: np.ndarray, gallery: np.ndarray, identities: Identities | None) -> None:
        self.query_order, self.gallery_order = np.arange(len(query)), np.arange(len(gallery), dtype=np.int32)
        self.relevant = np.zeros(len(query), np.int64)
        if identities is None:
            return
        for features, names, side in zip((query, gallery), identities, ("query", "gallery")):
            if len(features) != len(names):
                raise DataError(f"{len(features)} {side} features came with {len(names)} identities")
        codes: dict[str, int] = {}
        distractor, unmatched = np.iinfo(np.int32).max - 1, np.iinfo(np.int32).max  # these groups come last
        of_gallery = (distractor if name is None else codes.setdefault(name, len(codes)) for name in identities[1])
        of_query = (unmatched if name is None else codes.get(name, unmatched) for name in identities[0])
        of_gallery, of_query = np.fromiter(of_gallery, np.int32, len(gallery)), np.fromiter(of_query, np.int32, len(query))
        if (of_query[1:] < of_query[:-1]).any():
            self.query_order = np.argsort(of_query, kind="stable")
        if (of_gallery[1:] < of_gallery[:-1]).any():  # most lists are grouped by identity already
            self.gallery_order = np.argsort(of_gallery, kind="stable").astype(np.int32)
        self._first = np.searchsorted(of_gallery, of_query, sorter=self.gallery_order)
        self.relevant = np.searchsorted(of_gallery, of_query, side="right", sorter=self.gallery_order) - self._first
        self._offsets = np.cumsum(self.relevant) - self.relevant

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Return int64 [their relevant rows]: the places of the ranks of queries `rows` in an array of all relevant rows."""
        return _ranges(self._offsets[rows], self.relevant[rows])

    def thresholds(self, rows: np.ndarray, tiles: ScoreTiles) -> Thresholds:
        """Return the Thresholds of queries `rows`, the current ones of `tiles`."""
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
        return Thresholds(scores[closest_first], indices[closest_first], offsets)


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return int64 [sum of lengths]: the concatenation of range(starts[i], starts[i] + lengths[i]) over all i."""
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
