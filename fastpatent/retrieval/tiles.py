"""Scores of queries against a gallery, a tile at a time, equal to the bit however they are asked for.

The last bits of a float32 matrix product may depend on the shape of the matrices. Every score here comes from a product
of one fixed shape, TILE x TILE rows (the last ones padded with zero rows), so a score depends on its two rows and not on
how many others were ranked with them: equal gallery rows tie exactly, wherever they lie.
"""

import numpy as np

from fastpatent.retrieval.distance import inverse_norms, normalise, squared_norms

TILE = 1024
KEPT_TILES = 8  # scores that were looked at before they are counted are kept, up to so many tiles of them
SMALLEST = np.float32(1e-30)  # keeps 0 / 0 at 0


def _norms(features):
    return np.sqrt(squared_norms(features))


COLUMNS = {"cosine": inverse_norms, "euclidean": squared_norms, "normalized_euclidean": _norms}  # of gallery rows, by metric


class Rows:
    """Features cut into tiles of TILE rows, in an order of choice; only a tile that is no slice of them is copied.

    Args:
        features: float32 [rows, dim].
        kernel: where tiles are put; it keeps them there if there is room.
        order: int [rows], which row comes where; None leaves them as they are.
    """

    def __init__(self, features, kernel, order=None):
        self.features, self.kernel = features, kernel
        self.order = np.arange(len(features)) if order is None else order
        self.tiles = -(-len(features) // TILE)
        self._kept = {} if kernel.has_room(features.nbytes) else None

    def indices(self, number):
        """Return int64 [up to TILE]: the rows of `features` that a tile holds."""
        return self.order[number * TILE : (number + 1) * TILE].astype(np.int64)

    def tile(self, number):
        """Return float32 [TILE, dim] where the kernel computes; rows beyond the last are zero."""
        if self._kept is None:
            return self.kernel.put(self.host_tile(number))
        if number not in self._kept:
            self._kept[number] = self.kernel.put(self.host_tile(number))
        return self._kept[number]

    def host_tile(self, number):
        """Return a tile as a NumPy array."""
        indices = self.indices(number)
        consecutive = indices[-1] - indices[0] == len(indices) - 1 and (np.diff(indices) == 1).all()
        rows = self.features[indices[0] : indices[-1] + 1] if consecutive else self.features[indices]
        return rows if len(rows) == TILE else np.concatenate([rows, np.zeros((TILE - len(rows), rows.shape[1]), np.float32)])


class ScoreTiles:
    """The scores of queries against gallery rows: scale * closeness + bonus; a closer row has a higher one.

    Closeness is the cosine; for "euclidean" -|q - g|^2 plus a constant of the query, so that scores of two queries cannot be
    compared; for "normalized_euclidean" 1 - d^2 of the distance d = |q - g| / (|q| + |g|) that image signatures are compared
    by (Wong, Bern and Goldberg, 2002), where a zero row is at distance 1 from everything.

    Args:
        query: float32 [queries, dim].
        gallery: Rows.
        query_order: int [queries], which query comes where.
        metric: "cosine", "euclidean" or "normalized_euclidean".
        scale: float; of cosines only, as is `bonus`.
        bonus: scipy.sparse CSR float32 [queries, gallery] or None.
    """

    def __init__(self, query, gallery, query_order, metric, scale=1.0, bonus=None):
        self.gallery, self.kernel = gallery, gallery.kernel
        self.query = Rows(query, gallery.kernel, query_order)
        self.metric, self.scale, self.bonus = metric, np.float32(scale), bonus
        columns = COLUMNS[metric](gallery.features).astype(np.float32)
        padded = np.zeros(gallery.tiles * TILE, np.float32)
        padded[: len(columns)] = columns[gallery.order] * self.scale
        self._columns = self.kernel.put(padded)
        if bonus is not None:
            self._place = np.argsort(gallery.order)

    def take(self, number):
        """Make a tile of queries the one whose scores `against` returns; return their int64 indices."""
        rows = self.query.host_tile(number)
        self._outer = self.kernel.put(normalise(rows) if self.metric == "cosine" else 2 * rows)
        if self.metric == "normalized_euclidean":
            self._norms = self.kernel.put(_norms(rows).astype(np.float32)[:, None])
        self._kept = {}
        indices = self.query.indices(number)
        if self.bonus is not None:
            found = self.bonus[indices].tocoo()
            places = self._place[found.col]
            by_place = np.argsort(places, kind="stable")
            bounds = np.searchsorted(places[by_place], TILE * np.arange(self.gallery.tiles + 1))
            self._bonus = found.row[by_place], places[by_place], found.data[by_place], bounds
        return indices

    def against(self, number, keep=False):
        """Return the scores of the queries with a tile of the gallery, float32 [TILE, TILE]; valid until the next call.

        `keep` says that they will be asked for again.
        """
        if number in self._kept:
            return self._kept[number]
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
        if keep and len(self._kept) < KEPT_TILES:
            self._kept[number] = self.kernel.copy(scores)
        return scores
