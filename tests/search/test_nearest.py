"""Exact search: with codes and without them, the same bits as products in float64 that are rounded once."""

import numpy as np
import pytest
import torch

from fastpatent.retrieval.codes import encode
from fastpatent.search.nearest import nearest
from tests.retrieval.test_codes import vectors_of


def brute(queries, vectors, k, rows):
    """(cosines, rows) by float64, ties to the lower row, what is no number last."""
    with np.errstate(all="ignore"):
        products = (queries.astype(np.float64) @ vectors[rows].astype(np.float64).T).astype(np.float32)
    products = np.nan_to_num(products, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(products, order, 1), rows[order]


@pytest.mark.parametrize("kind", ["random", "clustered", "spiked", "equal", "half", "damaged"])
def test_the_nearest_are_those_of_float64(kind):
    vectors = vectors_of(kind, 96)
    queries = vectors[[3, 3000, 7]].astype(np.float32)  # the last one is zero
    if kind == "damaged":
        vectors[[11, 12, 13, 14], 5] = np.nan, np.inf, -np.inf, 3e38
    every, given = np.arange(5000), torch.from_numpy(vectors)
    for rows in (None, every[every % 9 == 0], every[1:], every[:0]):
        for k in (1, 20, 1000):
            expected = brute(queries, vectors, k, every if rows is None else rows)
            for codes in (encode(vectors), None):
                found = nearest(queries, given, k, rows, codes)
                assert all(np.array_equal(*pair) for pair in zip(found, expected))
