"""Scores of queries against a gallery, tile by tile, bit-identical for every batch of queries and order of rows.

The last bits of a float32 matrix product may depend on the shape of the matrices. Every score here comes from a product of
one fixed shape, TILE x TILE rows (the last tile padded with zero rows). So a score depends on its two rows only, not on
the rows ranked with them, and equal gallery rows tie exactly at any position.
"""

import numpy as np
from scipy import sparse

from fastpatent.retrieval.distance import inverse_norms, normalise, squared_norms
from fastpatent.retrieval.kernel import Kernel, Tile

TILE = 1024
KEPT_TILES = 8  # at most so many tiles of scores that are needed twice are cached
SMALLEST = np.float32(1e-30)  # makes 0 / 0 give 0


def _norms(features: np.ndarray) -> np.ndarray:
    return np.sqrt(squared_norms(features))


COLUMNS = {"cosine": inverse_norms, "euclidean": squared_norms, "normalized_euclidean": _norms}  # per gallery row


def shown_scores(scores: np.ndarray, squares: np.ndarray, metric: str) -> np.ndarray:
    """Return scores of `ScoreTiles` as they are shown, float32: cosines as they are, or negative distances.

    Args:
        scores: float32 of any shape.
        squares: float64 of a shape that fits, the squared norms of the queries.
        metric: see `ScoreTiles`.
    """
    if metric == "cosine":
        return scores
    nearest = squares if metric == "euclidean" else 1
    return -np.sqrt(np.maximum(nearest - scores, 0)).astype(np.float32)


class Rows:
    """Features split into tiles of TILE rows, in a given order. A tile is a view where its rows are consecutive.

    Args:
        features: float32 [rows, dim].
        kernel: computes on the tiles and caches them on its device if there is room.
        order: int [rows], row indices in the order of the tiles; None: the order of the features.
    """

    def __init__(self, features: np.ndarray, kernel: Kernel, order: np.ndarray | None = None) -> None:
        self.features, self.kernel = features, kernel
        self.order = np.arange(len(features)) if order is None else order
        self.tiles = -(-len(features) // TILE)
        self._cached: dict[int, Tile] | None = {} if kernel.has_room(features.nbytes) else None

    def indices(self, number: int) -> np.ndarray:
        """Return int64 [up to TILE]: the row indices of a tile."""
        return self.order[number * TILE : (number + 1) * TILE].astype(np.int64)

    def tile(self, number: int) -> Tile:
        """Return float32 [TILE, dim] on the device of the kernel, padded with zero rows."""
        if self._cached is None:
            return self.kernel.put(self.host_tile(number))
        if number not in self._cached:
            self._cached[number] = self.kernel.put(self.host_tile(number))
        return self._cached[number]

    def host_tile(self, number: int) -> np.ndarray:
        """Return a tile as a NumPy array."""
        indices = self.indices(number)
        consecutive = indices[-1] - indices[0] == len(indices) - 1 and (np.diff(indices) == 1).all()
        rows = self.features[indices[0] : indices[-1] + 1] if consecutive else self.features[indices]
        return rows if len(rows) == TILE else np.concatenate([rows, np.zeros((TILE - len(rows), rows.shape[1]), np.float32)])


class ScoreTiles:
    """Scores of queries against gallery rows: scale * closeness + bonus, higher for closer rows.

    Closeness by metric. "cosine": the cosine. "euclidean": -|q - g|^2 plus a constant per query, so that scores of different
    queries are not comparable. "normalized_euclidean": 1 - d^2 with d = |q - g| / (|q| + |g|), the distance of image
    signatures (Wong, Bern and Goldberg, 2002); a zero row is at distance 1 from every row.

    Args:
        query: float32 [queries, dim].
        gallery: Rows.
        query_order: int [queries], query indices in the order of the tiles.
        metric: "cosine", "euclidean" or "normalized_euclidean".
        scale: factor of the closeness; for "cosine" only, as is `bonus`.
        bonus: float32 [queries, gallery] or None.
    """

    def __init__(
        self,
        query: np.ndarray,
        gallery: Rows,
        query_order: np.ndarray | None,
        metric: str,
        scale: float = 1.0,
        bonus: sparse.csr_array | None = None,
    ) -> None:
        self.gallery, self.kernel = gallery, gallery.kernel
        self.query = Rows(query, gallery.kernel, query_order)
        self.metric, self.scale, self.bonus = metric, np.float32(scale), bonus
        columns = COLUMNS[metric](gallery.features).astype(np.float32)
        padded = np.zeros(gallery.tiles * TILE, np.float32)
        padded[: len(columns)] = columns[gallery.order] * self.scale
        self._columns = self.kernel.put(padded)
        if bonus is not None:
            self._place = np.argsort(gallery.order)

    def take(self, number: int) -> np.ndarray:
        """Select the tile of queries for `against`; return the int64 indices of the queries."""
        rows = self.query.host_tile(number)
        self._outer = self.kernel.put(normalise(rows) if self.metric == "cosine" else 2 * rows)
        if self.metric == "normalized_euclidean":
            self._norms = self.kernel.put(_norms(rows).astype(np.float32)[:, None])
        self._cached: dict[int, Tile] = {}
        indices = self.query.indices(number)
        if self.bonus is not None:
            found = self.bonus[indices].tocoo()
            places = self._place[found.col]
            by_place = np.argsort(places, kind="stable")
            bounds = np.searchsorted(places[by_place], TILE * np.arange(self.gallery.tiles + 1))
            self._bonus = found.row[by_place], places[by_place], found.data[by_place], bounds
        return indices

    def against(self, number: int, keep: bool = False) -> Tile:
        """Return the scores of the selected queries against a gallery tile, float32 [TILE, TILE]; valid until the next call.

        With `keep` they are cached for a second call.
        """
        if number in self._cached:
            return self._cached[number]
        scores = self.kernel.product(self._outer, self.gallery.tile(number))
        columns = self._columns[number * TILE : (number + 1) * TILE]
        if self.metric == "cosine":
            scores *= columns
        elif self.metric == "euclidean":
            scores -= columns
        else:  # 1 - |q - g|^2 / (|q| + |g|)^2 = (2 qg + 2 |q||g|) / (|q| + |g|)^2
            scores += 2 * self._norms * columns
            scores /= (self._norms + columns) ** 2 + SMALLEST
        if self.bonus is not None:
            rows, places, values, bounds = self._bonus
            part = slice(bounds[number], bounds[number + 1])
            inside = self.kernel.put(rows[part].astype(np.int64)), self.kernel.put(places[part] - number * TILE)
            scores[inside] += self.kernel.put(values[part])
        if keep and len(self._cached) < KEPT_TILES:
            self._cached[number] = self.kernel.copy(scores)
        return scores
