"""Retrieval between images and texts: recall at k and median rank, in both directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from fastpatent.errors import DataError
from fastpatent.evaluation.intervals import Figure, mean_figures, patent_codes
from fastpatent.retrieval.metrics import IMAGE_TO_TEXT, TEXT_TO_IMAGE, RankMetrics, summarise
from fastpatent.retrieval.ranking import rank

DEPTHS = (1, 5, 10)
DIRECTIONS = (TEXT_TO_IMAGE, IMAGE_TO_TEXT)
PAIR, PATENT = RIGHT_ANSWERS = ("pair", "patent")


class Side(NamedTuple):
    """Images or texts: float features [rows, dim], and int64 patents [rows]."""

    features: np.ndarray
    patents: np.ndarray


class Retrieval(NamedTuple):
    """The metrics of one direction.

    Attributes:
        queries, database: how many queries, and how many rows were ranked for each.
        recall: {k of DEPTHS: Figure}, the share of queries with a relevant row in the first k.
        chance: {k: float}, the expected recall of a random order.
        median_rank: of the first relevant row, from 1.
    """

    queries: int
    database: int
    recall: dict[int, Figure]
    chance: dict[int, float]
    median_rank: float


@dataclass
class TextImageMetrics:
    """How a network retrieves pairs of an image and a text.

    Attributes:
        pairs: int, how many.
        patents: int, of how many patents.
        texts: int, how many texts differ, a text of two patents counting twice.
        directions: {(one of DIRECTIONS, one of RIGHT_ANSWERS): Retrieval}.
        summary: {metric: mean}: R@k of both directions, where any row of the patent is relevant, and their mean.
    """

    pairs: int
    patents: int
    texts: int
    directions: dict[tuple[str, str], Retrieval]
    summary: dict[str, float]


def text_image_metrics(
    image_features: np.ndarray,
    text_features: np.ndarray,
    identities: Sequence[str | None],
    texts: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> TextImageMetrics:
    """Rank all images for every text and all texts for every image, by cosine.

    By "pair", as published, only row i of the other side is relevant to row i. Of equal texts each is then relevant to one
    image, and since they tie, the lower row comes first. By "patent" any image, or any text, of the same patent is relevant,
    and a text that a patent repeats is ranked, and is a query, once.

    Args:
        image_features, text_features: float [pairs, dim].
        identities: sequence of str, the patent of each pair; a pair with None is a patent of its own.
        texts: the texts; None: all differ.
        resamples, seed: of the bootstrap over patents, see `bootstrap_intervals`.
        device: where to rank.

    Returns:
        TextImageMetrics.

    Raises:
        DataError: no pairs, numbers that differ, or features that are not finite or of different dimensions.
    """
    features = {"image": np.asarray(image_features), "text": np.asarray(text_features)}
    lengths = [len(rows) for rows in (*features.values(), identities, identities if texts is None else texts)]
    if len(set(lengths)) > 1:
        raise DataError(
            f"images, texts and patents must be as many, but there are {', '.join(map(str, lengths[:3]))} of them"
        )
    if not lengths[0]:
        raise DataError("there is no pair of an image and a text to measure")
    patents = patent_codes(identities)
    sides = {name: Side(rows, patents) for name, rows in features.items()}
    once = sides if texts is None else sides | {"text": _without_repetition(sides["text"], texts)}
    directions: dict[tuple[str, str], Retrieval] = {}
    rankings: dict[str, RankMetrics] = {}
    for direction in DIRECTIONS:
        asked, found = direction.split(" to ")
        metrics = _ranked(sides[asked], sides[found], device)
        own = metrics.ranks[metrics.rows == np.repeat(np.arange(len(patents)), metrics.relevant)]
        directions[direction, PAIR] = _retrieval(own, np.ones_like(own), len(patents), patents, resamples, seed)
        query, gallery = once[asked], once[found]
        if len(once["text"].patents) < len(patents):
            metrics = _ranked(query, gallery, device)
        rankings[direction] = metrics
        ranks, database = (metrics.first_hit, metrics.relevant), len(gallery.patents)
        directions[direction, PATENT] = _retrieval(*ranks, database, query.patents, resamples, seed)
    counts = len(patents), int(patents.max()) + 1, len(once["text"].patents)
    return TextImageMetrics(*counts, directions, summarise(rankings))


def _without_repetition(side: Side, texts: Sequence[str]) -> Side:
    """Return the Side without rows of a patent and a text that an earlier row has."""
    first = {}
    for row, key in enumerate(zip(side.patents.tolist(), texts)):
        first.setdefault(key, row)
    rows = list(first.values())
    return Side(side.features[rows], side.patents[rows])


def _ranked(query: Side, gallery: Side, device: torch.device | str) -> RankMetrics:
    """Return the RankMetrics by patent of one Side ranked for another."""
    identities = query.patents.tolist(), gallery.patents.tolist()
    metrics = rank(query.features, gallery.features, identities=identities, device=device).metrics
    assert metrics is not None, "identities are given"
    return metrics


def _retrieval(
    first: np.ndarray, relevant: np.ndarray, database: int, patents: np.ndarray, resamples: int, seed: int
) -> Retrieval:
    """Return the Retrieval of queries by the rank of their first relevant row, and how many there are for each."""
    recall = mean_figures(first[:, None] <= np.array(DEPTHS), patents, resamples, seed)
    chance = {k: _chance(relevant, database, k) for k in DEPTHS}
    return Retrieval(len(first), database, dict(zip(DEPTHS, recall)), chance, float(np.median(first)))


def _chance(relevant: np.ndarray, database: int, k: int) -> float:
    """Return the probability that one of `relevant` rows is among k random rows of a database, without replacement."""
    drawn = np.arange(min(k, database))
    missed = np.maximum(database - relevant[:, None] - drawn, 0) / (database - drawn)
    return float(1 - missed.prod(axis=1).mean())
