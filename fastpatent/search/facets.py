"""Facets: of how many patents the drawings that pass a filter are, for each class, Locarno class and year."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute

from fastpatent.search.index import Index

compute: Any = pyarrow.compute
FACETS = ("class", "locarno", "year")


class _Values(NamedTuple):
    """Values of a facet, and of each value that a drawing has its row and the number of the value, sorted by row."""

    names: list[str]
    rows: np.ndarray
    numbers: np.ndarray


def facets(index: Index, passed: np.ndarray | None = None) -> dict[str, list[tuple[str, int]]]:
    """Return {facet of FACETS: [(value, patents)]}, the most frequent values first; values of no patent are not there.

    A patent counts for a value if one of its drawings that pass has it.

    Args:
        index: that is searched.
        passed: bool [drawings], as of a `Filter`; None: all.
    """
    return {facet: _counts(index, values, passed) for facet, values in _values(index).items()}


@lru_cache(maxsize=1)
def _values(index: Index) -> dict[str, _Values]:
    drawings = index.drawings
    classes, every = drawings["classes"].chunk(0), np.arange(len(index))
    years = compute.cast(compute.year(drawings["date"].chunk(0)), pyarrow.string())
    return {
        "class": _encoded(compute.list_flatten(classes), compute.list_parent_indices(classes).to_numpy()),
        "locarno": _encoded(drawings["locarno"].chunk(0), every),
        "year": _encoded(years, every),
    }


def _encoded(texts: pyarrow.Array, rows: np.ndarray) -> _Values:
    known = compute.fill_null(compute.not_equal(texts, ""), False)
    encoded = texts.filter(known).dictionary_encode()
    rows = rows[known.to_numpy(zero_copy_only=False)]
    return _Values(encoded.dictionary.to_pylist(), rows, encoded.indices.to_numpy().astype(np.int64))


def _counts(index: Index, values: _Values, passed: np.ndarray | None) -> list[tuple[str, int]]:
    rows, numbers = values.rows, values.numbers
    if passed is not None:
        rows, numbers = rows[passed[rows]], numbers[passed[rows]]
    pairs = np.unique(index.patent_of[rows] * len(values.names) + numbers)  # a patent and a value
    counts = np.bincount(pairs % len(values.names), minlength=len(values.names)).tolist() if len(pairs) else []
    found = [(name, count) for name, count in zip(values.names, counts) if count]
    return sorted(found, key=lambda each: (-each[1], each[0]))
