"""Search among designs: which drawings are of one design, how close each design is to a query, and how close others are."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fastpatent.data.impact.patents import SHEET
from fastpatent.data.records import Sample, label_map
from fastpatent.errors import DataError
from fastpatent.retrieval.distance import BLOCK_ROWS, normalise

MOST_PAIRS = 100_000  # of random drawings: a percentile is then exact to some .3


class Answer(NamedTuple):
    """A design that was found.

    Attributes:
        design: its name.
        closeness: mean over the views of the query of the cosine of the best match among the design's drawings.
        percentile: how many percent of random pairs of drawings of different designs are less close; None without any.
        drawings: paths of all its drawings.
        has_query: whether a drawing of the query is one of them; it is not compared with itself.
    """

    design: str
    closeness: float
    percentile: float | None
    drawings: list[str]
    has_query: bool


class Found(NamedTuple):
    """A query, by its name and the paths of its views, and the designs that are nearest to it, the nearest first."""

    query: str
    views: list[str]
    answers: list[Answer]


def design_of(path: str) -> str:
    """Return the name of the design that a drawing is of, from its path below the folder that is searched.

    A sheet named as patent offices do (USD0909824-20210209-D00001.TIF) is of that patent; any other drawing is of the design
    that its folder is, or a design of its own where it lies in no folder. Names are paths, so they are unique.
    """
    folder, _, name = path.rpartition("/")
    sheet = SHEET.fullmatch(name)
    if sheet and folder.rpartition("/")[2] != sheet[1]:
        return f"{folder}/{sheet[1]}".lstrip("/")
    return folder or name


class DesignIndex:
    """The drawings of some designs, to search in.

    Args:
        samples: the drawings, with their designs as identities.
        features: float32 [drawings, dim], of any norm.

    Attributes:
        names: of the designs, sorted.
        random: sorted float32 cosines of random pairs of drawings of different designs, all pairs where they are few.

    Raises:
        DataError: there is no drawing.
    """

    def __init__(self, samples: Sequence[Sample], features: np.ndarray) -> None:
        if not samples:
            raise DataError("there is no drawing to search in")
        labels = label_map(samples)
        self.names, self._samples = list(labels), samples
        self._designs = np.array([labels[str(sample.identity)] for sample in samples])
        self._features = normalise(features)
        self._by_design = np.argsort(self._designs, kind="stable")
        self._starts = np.searchsorted(self._designs[self._by_design], np.arange(len(labels)))
        self.random = random_cosines(self._features, self._designs)

    def scores(self, views: np.ndarray, excluded: Sequence[int] = ()) -> np.ndarray:
        """Return float32 [designs]: the mean over the views of the best cosine with a drawing of the design.

        Args:
            views: float32 [views, dim], of any norm.
            excluded: rows of drawings that are compared with nothing; a design without others has -infinity.
        """
        cosines = normalise(views) @ self._features.T
        cosines[:, excluded] = -np.inf
        return np.maximum.reduceat(cosines[:, self._by_design], self._starts, axis=1).mean(axis=0)

    def search(self, views: np.ndarray, top: int, own: Iterable[int] = (), compared: bool = True) -> list[Answer]:
        """Return the `top` designs that are nearest to a query, the nearest first; of equal ones the first by name.

        Args:
            views: float32 [views, dim].
            top: most answers.
            own: rows of those drawings that are the query itself.
            compared: with the random pairs; not, where the query is no drawing.
        """
        own = sorted(own)
        scores = self.scores(views, own)
        nearest = np.argsort(-scores, kind="stable")[:top]
        answers = []
        for design in nearest[np.isfinite(scores[nearest])].tolist():
            end = self._starts[design + 1] if design + 1 < len(self._starts) else None
            rows = self._by_design[self._starts[design] : end].tolist()
            drawings = [self._samples[row].path for row in rows]
            percentile = percentile_of(float(scores[design]), self.random) if compared else None
            has_query = not set(rows).isdisjoint(own)
            answers.append(Answer(self.names[design], float(scores[design]), percentile, drawings, has_query))
        return answers


def percentile_of(score: float, random: np.ndarray) -> float | None:
    """Return how many percent of sorted random scores are lower than a score; None where there are none."""
    return 100 * float(np.searchsorted(random, score)) / len(random) if len(random) else None


def random_cosines(features: np.ndarray, designs: np.ndarray) -> np.ndarray:
    """Return sorted float32 cosines of random pairs of drawings of different designs, all pairs where they are few.

    Args:
        features: float32 or float16 [drawings, dim], of length 1.
        designs: int [drawings], number of the design that each is of.
    """
    count = len(designs)
    if count * (count - 1) // 2 <= MOST_PAIRS:
        first, second = np.triu_indices(count, 1)
    else:
        first, second = np.random.default_rng(0).integers(count, size=(2, MOST_PAIRS))
    different = designs[first] != designs[second]
    first, second = first[different], second[different]
    cosines = np.empty(len(first), np.float32)
    for start in range(0, len(first), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        sides = (features[rows[block]].astype(np.float32, copy=False) for rows in (first, second))
        cosines[block] = np.einsum("pd,pd->p", *sides)
    return np.sort(cosines)
