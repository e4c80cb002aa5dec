"""Both rank kernels against a stable sort, and against each other."""

import builtins
import importlib.util
import warnings

import numpy as np
import pytest

from fastpatent.retrieval import kernel

COMPILED = importlib.util.find_spec("fastpatent.retrieval._rank") is not None


def kernels():
    """Yield every kernel there is."""
    yield kernel.count_closer_numpy
    if COMPILED:
        from fastpatent.retrieval._rank import count_closer

        yield count_closer


def strip_of(rng, values, relevant, queries=6, rows=700):
    """Return random kernel arguments: scores of few or many values, and `relevant` gallery rows a query."""
    scores = np.full((queries, rows + 9), np.nan, np.float32)[:, :rows]
    scores[:] = rng.choice(values, (queries, rows))
    members = np.concatenate([np.sort(rng.choice(rows, relevant, replace=False)) for _ in range(queries)]).astype(np.int64)
    first = relevant * np.arange(queries, dtype=np.int64)
    return scores, members, first, first + relevant


@pytest.mark.skipif(not COMPILED, reason="the compiled rank kernel was not built")
@pytest.mark.parametrize("values", [np.array([-1.5, -0.0, 0.0, 0.25, 2.0]), np.linspace(-1, 1, 10**6)])
@pytest.mark.parametrize("relevant", [0, 1, 5, 64, 65, 300, 700])
def test_kernels_meet_a_stable_sort(rng, values, relevant):
    scores, members, first, last = strip_of(rng, values, relevant)
    offsets = np.concatenate([[0], np.cumsum(last - first)])
    place = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    truth = np.array([np.sort(place[row, members[first[row] : last[row]]]) + 1 for row in range(len(scores))])
    for count_closer in kernels():
        ranks = np.full(offsets[-1], -1)
        count_closer(scores, members, first, last, offsets, ranks, 0, len(scores))
        np.testing.assert_array_equal(ranks.reshape(truth.shape), truth, err_msg=str(count_closer))


@pytest.mark.parametrize("threads", [1, 3, 50])
def test_threads_share_the_queries_out(rng, threads, monkeypatch):
    arguments = strip_of(rng, np.linspace(-1, 1, 50), 9)
    expected = kernel.relevant_ranks(*arguments)
    monkeypatch.setattr(kernel.faiss, "omp_get_max_threads", lambda: threads)
    np.testing.assert_array_equal(kernel.relevant_ranks(*arguments), expected)


def test_a_missing_extension_is_said_once_and_changes_no_number(rng, monkeypatch):
    arguments = strip_of(rng, np.linspace(-1, 1, 50), 9)
    expected = kernel.relevant_ranks(*arguments)
    found = builtins.__import__

    def without_extension(name, *rest):
        if name == "fastpatent.retrieval._rank":
            raise ImportError("no module named _rank")
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_extension)
    kernel._kernel.cache_clear()
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for _ in range(3):
                np.testing.assert_array_equal(kernel.relevant_ranks(*arguments), expected)
    finally:
        kernel._kernel.cache_clear()
    assert [warning.category for warning in said] == [RuntimeWarning]
    assert "NumPy" in str(said[0].message)
