"""Codes of 8 bits: the products of the vectors, in float64 and in float32, lie within their bounds, whatever the vectors."""

import os

import numpy as np
import pytest

from fastpatent.retrieval import codes
from fastpatent.retrieval.codes import encode
from fastpatent.retrieval.distance import normalise


def vectors_of(kind, dim):
    generator = np.random.default_rng(dim)
    found = generator.standard_normal((5000, dim))
    if kind == "clustered":
        found = found[np.arange(5000) // 50] + found / 100
    elif kind == "spiked":
        found *= 10.0 ** generator.uniform(-9, 0, found.shape)
    elif kind == "equal":
        found[:] = found[0]
    found = normalise(found.astype(np.float32))
    found[7] = 0
    return found.astype(np.float16) if kind == "half" else found


@pytest.mark.parametrize("kind", ["random", "clustered", "spiked", "equal", "half"])
@pytest.mark.parametrize("dim", [1, 7, 512, 1280])
def test_products_lie_within_the_bounds(kind, dim):
    vectors = vectors_of(kind, dim)
    generator = np.random.default_rng(1)
    queries = np.concatenate(
        [vectors_of("random", dim)[-2:], vectors[:2].astype(np.float32), np.zeros((1, dim), np.float32)]
    )
    encoded = encode(vectors)
    assert np.abs(encoded.codes).max() <= 127
    for rows in (None, np.sort(generator.permutation(5000)[:700]), np.zeros(0, np.int64)):
        chosen = vectors if rows is None else vectors[rows]
        lower, upper = encoded.bounds(queries, rows)
        for dtype in (np.float64, np.float32):
            products = queries.astype(dtype) @ chosen.astype(dtype).T
            assert (lower <= products).all() and (products <= upper).all()
        if dim >= 512 and kind != "spiked":
            assert (upper - lower <= 0.04).all()


@pytest.mark.parametrize("some", [False, True])
def test_bounds_of_groups_are_the_highest_of_their_rows(some):
    generator = np.random.default_rng(2)
    encoded, queries = encode(vectors_of("random", 96)), vectors_of("random", 96)[-3:]
    rows = np.sort(generator.permutation(5000)[:700]) if some else None
    count = 700 if some else 5000
    starts = np.concatenate([[0], np.sort(generator.permutation(np.arange(1, count))[:99])])
    ends = [*starts[1:], count]
    for found, each in zip(encoded.bounds(queries, rows, starts), encoded.bounds(queries, rows)):
        expected = np.stack([each[:, start:end].max(axis=1) for start, end in zip(starts, ends)], axis=1)
        assert np.array_equal(found, expected)
    with pytest.raises(ValueError, match="were asked for"):
        encoded.bounds(queries, rows, np.array([0, count + 1]))


def test_vectors_that_are_not_finite_may_have_any_product():
    vectors = vectors_of("random", 16)
    for row, value in enumerate((np.nan, np.inf, -np.inf, 3e38)):
        vectors[row, 5] = value
    encoded = encode(vectors)
    lower, upper = encoded.bounds(vectors[9:11])
    assert (lower[:, :3] == -np.inf).all() and (upper[:, :3] == np.inf).all() and np.isfinite(lower[:, 4:]).all()


def test_a_row_that_is_none_is_refused():
    encoded = encode(vectors_of("random", 16))
    for row in (-1, 5000):
        with pytest.raises(ValueError, match="was asked for"):
            encoded.bounds(np.ones((1, 16), np.float32), np.array([row]))
    with pytest.raises(ValueError, match="do not fit together"):
        encoded.bounds(np.ones((1, 15), np.float32))


def test_a_forked_process_has_threads_of_its_own():
    encoded = encode(vectors_of("random", 16))
    before = encoded.bounds(np.ones((1, 16), np.float32))
    child = os.fork()
    if not child:
        os._exit(np.array_equal(encoded.bounds(np.ones((1, 16), np.float32)), before))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_without_the_kernel_there_are_no_bounds(monkeypatch):
    monkeypatch.setattr(codes, "_kernel", lambda process: None)
    assert encode(vectors_of("random", 16)).bounds(np.ones((1, 16), np.float32)) is None
