"""A figure of every query, broken down by what is known of the queries."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fastpatent.evaluation.groups import group_rows
from fastpatent.evaluation.intervals import FEWEST, Figure, mean_figures, patent_codes


class GroupFigure(NamedTuple):
    """The mean over the queries of one group, with its interval.

    Attributes:
        grouping, label: "view", "3".
        queries: how many have a value.
        figure: Figure; its interval is NaN where there are fewer than FEWEST patents.
    """

    grouping: str
    label: str
    queries: int
    figure: Figure


def group_figures(
    values: np.ndarray,
    groupings: Mapping[str, Sequence[str]],
    identities: Sequence[str | None],
    resamples: int = 1000,
    seed: int = 0,
) -> list[GroupFigure]:
    """Return the figures of every label of every grouping, in the order of `group_rows`; labels without a value have none.

    Args:
        values: float [queries], NaN without a value.
        groupings: {name: label of each query}.
        identities: of the queries; the bootstrap resamples them.
        resamples, seed: see `bootstrap_intervals`.
    """
    patents, found = patent_codes(identities), []
    for grouping, labels in groupings.items():
        for label, rows in group_rows(labels).items():
            rows = rows[~np.isnan(values[rows])]
            if len(rows):
                [figure] = mean_figures(values[rows, None], patents[rows], resamples, seed, FEWEST)
                found.append(GroupFigure(grouping, label, len(rows), figure))
    return found
