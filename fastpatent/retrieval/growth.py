"""The ranks of relevant rows as the gallery grows, in one pass over all pairs."""

import numpy as np

from fastpatent.retrieval.distance import as_pair
from fastpatent.retrieval.kernel import choose_kernel
from fastpatent.retrieval.members import Members
from fastpatent.retrieval.metrics import RankMetrics
from fastpatent.retrieval.tiles import Rows, ScoreTiles


def rank_growing(query, gallery, distractors, identities, sizes, metric="cosine", device="cpu"):
    """Measure the ranking of a gallery to which distractors are added, as if it were ranked anew at every size.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].
        distractors: float [distractors, dim], relevant to nothing, in the order in which they are added.
        identities: (of the queries, of the gallery rows), see `fastpatent.retrieval.ranking.rank`.
        sizes: numbers of gallery rows and distractors together, ascending, from len(gallery) on.
        metric: see `rank`.
        device: "cpu", or the card to compute on.

    Returns:
        list of RankMetrics, one for each size.

    Raises:
        DataError: as `rank`.
        ValueError: a size is smaller than the gallery, or larger than all.
    """
    query, every = as_pair(query, np.concatenate([gallery, distractors]), metric)
    if list(sizes) != sorted(sizes) or len(sizes) and not len(gallery) <= sizes[0] <= sizes[-1] <= len(every):
        raise ValueError(f"sizes must ascend from {len(gallery)} to {len(every)}, got {list(sizes)}")
    members = Members(query, every, (identities[0], [*identities[1], *[None] * len(distractors)]))
    kernel = choose_kernel(device)
    tiles = ScoreTiles(query, Rows(every, kernel, members.gallery_order), members.query_order, metric)
    ranks = np.zeros((len(sizes), members.relevant.sum()), np.int64)
    for number in range(tiles.query.tiles):
        rows = tiles.take(number)
        if not members.relevant[rows].any():
            continue
        counter, places = kernel.counter(*members.thresholds(rows, tiles)), members.places(rows)
        seen = reached = 0
        for tile in range(tiles.gallery.tiles):
            scores, indices, first = tiles.against(tile), tiles.gallery.indices(tile), seen
            while reached < len(sizes) and sizes[reached] <= first + len(indices):
                stop = sizes[reached] - first
                _count(kernel, counter, scores, indices, seen - first, stop)
                ranks[reached, places] = 1 + counter.result()
                seen, reached = first + stop, reached + 1
            _count(kernel, counter, scores, indices, seen - first, len(indices))
            seen = first + len(indices)
    return [RankMetrics(at_size, members.relevant) for at_size in ranks]


def _count(kernel, counter, scores, indices, start, stop):
    """Count the columns start:stop of a tile."""
    if start < stop:
        counter.update(scores if start == 0 else kernel.copy(scores[:, start:]), indices[start:stop])
