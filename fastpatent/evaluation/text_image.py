"""Retrieval between drawings and texts, as CLIP models are measured: recall at k and median rank, in both directions."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastpatent.errors import DataError
from fastpatent.evaluation.intervals import mean_figures, patent_codes
from fastpatent.retrieval.ranking import rank

DEPTHS = (1, 5, 10)
DIRECTIONS = ("text to image", "image to text")
PAIR, PATENT = RIGHT_ANSWERS = ("pair", "patent")


class Side(NamedTuple):
    """Drawings or texts: float features [rows, dim], and int64 patents [rows]."""

    features: np.ndarray
    patents: np.ndarray


class Retrieval(NamedTuple):
    """The figures of one direction.

    Attributes:
        queries, database: int, how many asked and how many were ranked for each.
        recall: {k of DEPTHS: Figure}, the share of queries with a right answer in the first k.
        chance: {k: float}, what an order by chance is expected to reach.
        median_rank: float, of the first right answer; 1 is the first place.
    """

    queries: int
    database: int
    recall: dict
    chance: dict
    median_rank: float


@dataclass
class TextImageMetrics:
    """What a network did on pairs of a drawing and a text.

    Attributes:
        pairs: int, how many.
        patents: int, of how many patents.
        texts: int, how many texts differ, a text of two patents counting twice.
        directions: {(one of DIRECTIONS, one of RIGHT_ANSWERS): Retrieval}.
    """

    pairs: int
    patents: int
    texts: int
    directions: dict


def text_image_metrics(image_features, text_features, identities, texts=None, resamples=1000, seed=0, device="cpu"):
    """Rank all drawings for every text and all texts for every drawing, by cosine.

    By "pair", as published, the one right answer to row i is row i of the other side. Equal texts then stand for one drawing
    each, all others of them are wrong, and since they tie, the lower row comes first. By "patent" any drawing, or any text,
    of the same patent is right, and what a patent says twice stands there, and asks, once.

    Args:
        image_features, text_features: float [pairs, dim].
        identities: sequence of str, the patent of each pair; where it is None a pair is a patent of its own.
        texts: list of str, what was read; None takes all texts as different.
        resamples, seed: of the intervals when patents are drawn anew, see `bootstrap_intervals`.
        device: "cpu", or the card to rank on.

    Returns:
        TextImageMetrics.

    Raises:
        DataError: no pairs, numbers that differ, or features that are not finite or of different dimensions.
    """
    features = {"image": np.asarray(image_features), "text": np.asarray(text_features)}
    lengths = [len(rows) for rows in (*features.values(), identities, identities if texts is None else texts)]
    if len(set(lengths)) > 1:
        raise DataError(f"drawings, texts and patents are no pairs: there are {', '.join(map(str, lengths[:3]))} of them")
    if not lengths[0]:
        raise DataError("there is no pair of a drawing and a text to measure")
    patents = patent_codes(identities)
    sides = {name: Side(rows, patents) for name, rows in features.items()}
    once = sides if texts is None else sides | {"text": _without_repetition(sides["text"], texts)}
    directions = {}
    for direction in DIRECTIONS:
        asked, found = direction.split(" to ")
        metrics = _ranked(sides[asked], sides[found], device)
        own = metrics.ranks[metrics.rows == np.repeat(np.arange(len(patents)), metrics.relevant)]
        directions[direction, PAIR] = _retrieval(own, np.ones_like(own), len(patents), patents, resamples, seed)
        asked, found = once[asked], once[found]
        if len(once["text"].patents) < len(patents):
            metrics = _ranked(asked, found, device)
        ranks, database = (metrics.first_hit, metrics.relevant), len(found.patents)
        directions[direction, PATENT] = _retrieval(*ranks, database, asked.patents, resamples, seed)
    return TextImageMetrics(len(patents), int(patents.max()) + 1, len(once["text"].patents), directions)


def _without_repetition(side, texts):
    """Return the Side without rows of a patent and a text that an earlier row has."""
    first = {}
    for row, key in enumerate(zip(side.patents.tolist(), texts)):
        first.setdefault(key, row)
    rows = list(first.values())
    return Side(side.features[rows], side.patents[rows])


def _ranked(asked, found, device):
    """Return the RankMetrics by patent of one Side asking another."""
    identities = asked.patents.tolist(), found.patents.tolist()
    return rank(asked.features, found.features, identities=identities, device=device).metrics


def _retrieval(first, relevant, database, patents, resamples, seed):
    """Return the Retrieval of queries by the rank of their first right answer, and how many there are for each."""
    recall = mean_figures(first[:, None] <= np.array(DEPTHS), patents, resamples, seed)
    chance = {k: _chance(relevant, database, k) for k in DEPTHS}
    return Retrieval(len(first), database, dict(zip(DEPTHS, recall)), chance, float(np.median(first)))


def _chance(relevant, database, k):
    """Return how often one of `relevant` rows is among k of a database that are drawn without putting back."""
    drawn = np.arange(min(k, database))
    missed = np.maximum(database - relevant[:, None] - drawn, 0) / (database - drawn)
    return float(1 - missed.prod(axis=1).mean())
