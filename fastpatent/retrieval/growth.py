"""Ranks of relevant rows as the gallery grows, in one pass over all pairs."""

from collections.abc import Sequence

import numpy as np
import torch

from fastpatent.retrieval.distance import as_pair
from fastpatent.retrieval.kernel import Counter, Kernel, Tile, choose_kernel
from fastpatent.retrieval.metrics import RankMetrics
from fastpatent.retrieval.relevance import Identities, Members
from fastpatent.retrieval.score_tiles import Rows, ScoreTiles


def rank_growing(
    query: np.ndarray,
    gallery: np.ndarray,
    distractors: np.ndarray,
    identities: Identities,
    sizes: Sequence[int],
    metric: str = "cosine",
    device: str | torch.device = "cpu",
) -> list[RankMetrics]:
    """Measure the ranking of a gallery with added distractors, with the same result as a separate ranking at each size.

    Args:
        query: float [queries, dim].
        gallery: float [gallery, dim].
        distractors: float [distractors, dim], relevant to no query, in the order in which they are added.
        identities: (of the queries, of the gallery rows), see `fastpatent.retrieval.ranking.rank`.
        sizes: numbers of gallery rows plus distractors, ascending, starting at len(gallery) or above.
        metric: see `rank`.
        device: "cpu", or the GPU to compute on.

    Returns:
        One RankMetrics per size.

    Raises:
        DataError: as `rank`.
        ValueError: sizes not ascending, below the gallery or above the gallery with all distractors.
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


def _count(kernel: Kernel, counter: Counter, scores: Tile, indices: np.ndarray, start: int, stop: int) -> None:
    """Count columns start:stop of a tile."""
    if start < stop:
        counter.update(scores if start == 0 else kernel.copy(scores[:, start:]), indices[start:stop])
