"""Two systems on the same queries: paired differences of their figures, and the queries that gained and lost the most."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fastpatent.data.records import Splits
from fastpatent.errors import DataError
from fastpatent.evaluation.groups import group_rows, groups_of
from fastpatent.evaluation.intervals import FEWEST, Figure, mean_figures, patent_codes
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.registry import METRICS
from fastpatent.retrieval.metrics import RankMetrics, table_metrics

PRECISION = "mAP"  # its values are the AP of queries


class Difference(NamedTuple):
    """One figure of A and of B.

    Attributes:
        a, b: the means over the queries.
        change: Figure of b - a; its interval is NaN where there are fewer than FEWEST patents.
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


class PairedResult(NamedTuple):
    """Two evaluations on the queries that both have and that have something to find.

    Attributes:
        a, b: the Evaluations.
        rows_a, rows_b: int64 [queries], rows of the queries in `a.splits.query` and in `b.splits.query`.
        precision_a, precision_b: float64 [queries], AP.
        patents: int64 [queries], see `patent_codes`.
        overall: Comparison of all metrics that have a column in tables.
        labels: {grouping: label of each query}, see `groups_of`.
        groups: {grouping: {label: Comparison of mAP}}.
    """

    a: Evaluation
    b: Evaluation
    rows_a: np.ndarray
    rows_b: np.ndarray
    precision_a: np.ndarray
    precision_b: np.ndarray
    patents: np.ndarray
    overall: Comparison
    labels: dict[str, list[str]]
    groups: dict[str, dict[str, Comparison]]


def shared_queries(
    a: Splits, names_a: Sequence[Sequence[str]], b: Splits, names_b: Sequence[Sequence[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return int64 rows of the queries that two data sets share, in the first and in the second, in its order.

    Args:
        a, b: the data sets.
        names_a, names_b: of their queries and of their gallery images, by which two images are the same.

    Raises:
        DataError: the galleries are not the same, so no rank in one can be compared with one in the other; or no query is
            shared.
    """
    rows = shared_rows(names_a[0], names_b[0])
    first = f", {names_a[0][rows[0][0]]} first" if len(rows[0]) else ""
    queries = f"{len(rows[0]):,} of their {len(a.query):,} and {len(b.query):,} queries are shared{first}"
    galleries = set(names_a[1]), set(names_b[1])
    if galleries[0] != galleries[1]:
        raise DataError(
            f"{a.name} of A and {b.name} of B have other galleries: {len(galleries[0] & galleries[1]):,} of their "
            f"{len(a.gallery):,} and {len(b.gallery):,} images are shared, so ranks in them cannot be compared; {queries}; "
            "--test-set names a data set that both can be tested on"
        )
    if not len(rows[0]):
        raise DataError(f"{a.name} of A and {b.name} of B have the same gallery, but {queries}")
    return rows


def compare_evaluations(
    a: Evaluation, b: Evaluation, rows: tuple[np.ndarray, np.ndarray], resamples: int, seed: int
) -> PairedResult:
    """Compare two evaluations on shared queries, as of `shared_queries`; for the rest see `compare`.

    Raises:
        DataError: none of the queries is of a known identity that the gallery holds.
    """
    if a.metrics is None or b.metrics is None:
        raise DataError(f"{a.splits.name} has no labelled query, so nothing can be measured")
    found = a.metrics.matched[rows[0]] & b.metrics.matched[rows[1]]
    rows_a, rows_b = rows[0][found], rows[1][found]
    if not len(rows_a):
        raise DataError(f"{a.splits.name}: none of the shared queries has a drawing of its identity in the gallery")
    values_a, values_b = _figures(a.metrics, rows_a), _figures(b.metrics, rows_b)
    patents = patent_codes(a.splits.query[row].identity for row in rows_a)
    overall = compare(values_a, values_b, patents, resamples, seed)
    precision_a, precision_b = values_a[PRECISION], values_b[PRECISION]
    labels = groups_of(Splits(a.splits.name, [], [a.splits.query[row] for row in rows_a], a.splits.gallery))
    groups = {
        grouping: {
            label: compare({PRECISION: precision_a[of]}, {PRECISION: precision_b[of]}, patents[of], resamples, seed)
            for label, of in group_rows(of_queries).items()
        }
        for grouping, of_queries in labels.items()
    }
    return PairedResult(a, b, rows_a, rows_b, precision_a, precision_b, patents, overall, labels, groups)


def _figures(metrics: RankMetrics, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return {name: float64 [rows]} of every metric of single queries that has a column in tables."""
    formulas = {name: METRICS.get(name).formula for name in table_metrics()}
    return {name: formula(metrics)[rows] for name, formula in formulas.items() if formula}


def compare(
    a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], patents: np.ndarray, resamples: int, seed: int
) -> Comparison:
    """Compare two systems on the same queries by a paired bootstrap: a resample has the same patents for both.

    The mean of a difference is the difference of the means, in every resample too, so the differences are resampled.

    Args:
        a, b: {name of a figure: float64 [queries], finite}, the same names, PRECISION among them.
        patents: int or str [queries].
        resamples, seed: see `bootstrap_intervals`.
    """
    count = len(np.unique(patents))
    changes = mean_figures(np.stack([b[name] - a[name] for name in a], axis=1), patents, resamples, seed, FEWEST)
    figures = {name: Difference(float(a[name].mean()), float(b[name].mean()), change) for name, change in zip(a, changes)}
    signs = np.sign(b[PRECISION] - a[PRECISION])
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
