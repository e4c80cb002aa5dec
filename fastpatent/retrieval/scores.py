"""Scores of queries against a whole gallery, a strip of queries at a time, equal to the bit however they are asked for.

The last bits of a float32 matrix product may depend on the shape of the matrices. Every score here comes from a product
of one fixed shape, TILE_QUERIES x TILE_GALLERY (the last ones padded with zero rows), so a score depends on its two rows
and not on how many others were ranked with them: equal gallery rows tie exactly, wherever they lie.
"""

import numpy as np

from fastpatent.retrieval.distance import as_pair, inverse_norms, normalise, squared_norms

TILE_QUERIES = 512
TILE_GALLERY = 2048


def score_strips(query, gallery, metric="cosine"):
    """Yield the scores of consecutive queries against the whole gallery; a closer row has a higher score.

    The score is the cosine, or for "euclidean" -|q - g|^2 plus a constant of the query, so scores of two queries cannot be
    compared. Memory: 4 * TILE_QUERIES bytes a gallery row (76 MiB for 39,000 rows, 660 MiB for 338,000) and one tile of each
    side, nothing that grows with the number of queries; features are neither copied nor changed.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].

    Yields:
        (start, scores): float32 [up to TILE_QUERIES, gallery] of the queries from `start` on; valid until the next step.
    """
    query, gallery = as_pair(query, gallery, metric)
    tiles = list(_gallery_tiles(gallery))
    strip = np.empty((TILE_QUERIES, len(tiles) * TILE_GALLERY), np.float32)
    block = np.zeros((TILE_QUERIES, query.shape[1]), np.float32)
    cosine = metric == "cosine"
    column = inverse_norms(gallery) if cosine else squared_norms(gallery).astype(np.float32)
    for start in range(0, len(query), TILE_QUERIES):
        rows = query[start : start + TILE_QUERIES]
        block[: len(rows)] = normalise(rows) if cosine else 2 * rows
        block[len(rows) :] = 0
        for number, tile in enumerate(tiles):
            first = number * TILE_GALLERY
            scores = strip[:, first : first + TILE_GALLERY]
            np.matmul(block, tile.T, out=scores)
            scores = scores[: len(rows), : len(gallery) - first]
            if cosine:
                scores *= column[first : first + TILE_GALLERY]
            else:
                scores -= column[first : first + TILE_GALLERY]
        yield start, strip[: len(rows), : len(gallery)]


def _gallery_tiles(gallery):
    """Yield [TILE_GALLERY, dim] views of the gallery; the last is a copy padded with zero rows."""
    whole = len(gallery) - len(gallery) % TILE_GALLERY
    for first in range(0, whole, TILE_GALLERY):
        yield gallery[first : first + TILE_GALLERY]
    if whole < len(gallery):
        last = np.zeros((TILE_GALLERY, gallery.shape[1]), np.float32)
        last[: len(gallery) - whole] = gallery[whole:]
        yield last
