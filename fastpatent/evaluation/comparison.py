"""Two systems on the same queries: paired differences of their figures, and the queries that gained and lost the most."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fastpatent.evaluation.intervals import Figure, mean_figures


class Difference(NamedTuple):
    """One figure of A and of B.

    Attributes:
        a, b: the means over the queries.
        change: Figure of b - a; its interval is NaN where there is a single patent, which cannot be resampled.
    """

    a: float
    b: float
    change: Figure

    @property
    def excludes_zero(self) -> bool:
        """Whether the 95% interval of the change excludes 0."""
        return self.change.low > 0 or self.change.high < 0


class Comparison(NamedTuple):
    """What B changes against A on some queries.

    Attributes:
        queries, patents: how many there are.
        better, equal, worse: how many of the queries have a higher, the same and a lower AP with B.
        figures: {name: Difference}.
    """

    queries: int
    patents: int
    better: int
    equal: int
    worse: int
    figures: dict[str, Difference]


def compare(
    a: Mapping[str, np.ndarray],
    b: Mapping[str, np.ndarray],
    precision: str,
    patents: np.ndarray,
    resamples: int,
    seed: int,
) -> Comparison:
    """Compare two systems on the same queries by a paired bootstrap: a resample has the same patents for both.

    The mean of a difference is the difference of the means, in every resample too, so the differences are resampled.

    Args:
        a, b: {name of a figure: float64 [queries], finite}, the same names.
        precision: name of the figure by which a query is better or worse.
        patents: int or str [queries].
        resamples, seed: see `bootstrap_intervals`.
    """
    count = len(np.unique(patents))
    changes = mean_figures(np.stack([b[name] - a[name] for name in a], axis=1), patents, resamples, seed)
    if count == 1:
        changes = [Figure(change.mean, np.nan, np.nan) for change in changes]
    figures = {name: Difference(float(a[name].mean()), float(b[name].mean()), change) for name, change in zip(a, changes)}
    signs = np.sign(b[precision] - a[precision])
    better, equal, worse = (int((signs == sign).sum()) for sign in (1, 0, -1))
    return Comparison(len(signs), count, better, equal, worse, figures)


def largest_changes(change: np.ndarray, patents: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the largest gains and of the largest losses, each of a different patent, the extreme first.

    Args:
        change: float64 [queries].
        patents: int or str [queries].
        count: how many of each at most.

    Returns:
        two int64 arrays; no row without a gain or a loss.
    """

    def largest(gain: np.ndarray) -> np.ndarray:
        order = np.argsort(-gain, kind="stable")
        order = order[gain[order] > 0]
        _, first = np.unique(patents[order], return_index=True)
        return order[np.sort(first)][:count]

    return largest(change), largest(-change)


def shared_rows(a: Sequence[str], b: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return (int64 rows of a, int64 rows of b) of the names that both have, in the order of a, each once."""
    places = {name: row for row, name in enumerate(b)}
    rows = {name: row for row, name in enumerate(a) if name in places}
    return np.array([*rows.values()], np.int64), np.array([places[name] for name in rows], np.int64)
