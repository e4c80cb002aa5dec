"""Every kernel against a stable sort, with tiles in random order."""

import builtins

import numpy as np
import pytest
import torch

from fastpatent.retrieval import kernel as kernel_module
from fastpatent.retrieval.kernel import CompiledKernel, choose_kernel
from fastpatent.retrieval.torch_kernel import TorchKernel, keys_of, read_keys
from tests.switches import IEEE, Products, less_allowed

ROWS, COLUMNS = 37, 700
FEW_VALUES, MANY_VALUES = np.array([-1.5, -0.0, 0.0, 0.25, 2.0]), np.linspace(-1, 1, 10**6)


def compiled():
    """Return the compiled kernel; skip the test if the extension was not built."""
    return CompiledKernel(pytest.importorskip("fastpatent.retrieval._rank", reason="the rank kernel was not built"))


def torch_on(device):
    """Return a function that makes PyTorch's kernel of a device."""
    return lambda: TorchKernel(torch.device(device))


KERNELS = pytest.mark.parametrize(
    "make",
    [compiled, torch_on("cpu"), pytest.param(torch_on("cuda"), marks=pytest.mark.cuda)],
    ids=["c", "torch", "cuda"],
)
VALUES = pytest.mark.parametrize("values", [FEW_VALUES, MANY_VALUES], ids=["ties", "distinct"])


@pytest.fixture
def scores(rng, values):
    """float32 [ROWS, COLUMNS] of few or many values."""
    return rng.choice(values, (ROWS, COLUMNS)).astype(np.float32)


def parts(rng, kernel, scores):
    """Yield (scores, columns) of the columns in three tiles in random order, padded with scores that must be ignored."""
    columns = rng.permutation(scores.shape[1])
    for chosen in np.split(columns, [100, 333]):
        tile = np.full((len(scores) + 3, 400), 9, np.float32)
        tile[: len(scores), : len(chosen)] = scores[:, chosen]
        yield kernel.put(tile), chosen


@KERNELS
@VALUES
def test_nearest_rows_are_those_of_a_stable_sort(rng, scores, make):
    for k in [1, 5, 64, COLUMNS]:
        kernel = make()
        top = kernel.top(ROWS, k)
        for tile, columns in parts(rng, kernel, scores):
            top.update(tile, columns)
        indices, found = top.result()
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        np.testing.assert_array_equal(indices, order, err_msg=f"k {k}")
        np.testing.assert_array_equal(found, np.take_along_axis(scores, order, 1), err_msg=f"k {k}")


@KERNELS
@VALUES
def test_columns_may_take_the_place_of_rows(rng, scores, make):
    for k in [1, 7]:
        kernel = make()
        top = kernel.top(ROWS, k)
        for tile, rows in parts(rng, kernel, scores):
            transposed = np.ascontiguousarray(np.asarray(tile.cpu() if torch.is_tensor(tile) else tile).T)
            top.update_from_columns(kernel.put(transposed), rows)
        np.testing.assert_array_equal(top.result()[0], np.argsort(-scores, axis=1, kind="stable")[:, :k], err_msg=f"k {k}")


@KERNELS
@VALUES
def test_closer_rows_are_those_of_a_stable_sort(rng, scores, make):
    for relevant in [1, 5, 32, 33, 300, COLUMNS]:
        kernel = make()
        counts = rng.integers(0, relevant + 1, ROWS)
        counts[0], counts[1] = relevant, 0
        order = np.argsort(-scores, axis=1, kind="stable")
        place = [np.sort(rng.choice(COLUMNS, count, replace=False)) for count in counts]
        chosen = [order[row, places] for row, places in enumerate(place)]
        limits = np.concatenate([scores[row, rows] for row, rows in enumerate(chosen)])
        counter = kernel.counter(limits, np.concatenate(chosen), np.concatenate([[0], np.cumsum(counts)]))
        for tile, columns in parts(rng, kernel, scores):
            counter.update(tile, columns)
        np.testing.assert_array_equal(counter.result(), np.concatenate(place), err_msg=f"{relevant} relevant")


def test_a_product_is_in_float32_however_torch_is_set(rng):
    kernel = TorchKernel("cpu")
    rows = kernel.put(rng.standard_normal((300, 300)).astype(np.float32))
    plain = rows @ rows.T
    with less_allowed(), Products() as products:
        assert torch.equal(kernel.product(rows, rows), plain)
    assert products.found == [IEEE]


def test_threads_share_the_rows(rng, monkeypatch):
    for threads in [1, 3, 50]:
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        scores = rng.choice(FEW_VALUES, (ROWS, COLUMNS)).astype(np.float32)
        top = compiled().top(ROWS, 9)
        top.update(scores, np.arange(COLUMNS))
        order = np.argsort(-scores, axis=1, kind="stable")[:, :9]
        np.testing.assert_array_equal(top.result()[0], order, err_msg=f"{threads} threads")


def test_keys_sort_as_rows_rank_and_can_be_read():
    scores = torch.tensor([[-np.inf, -1e30, -1.0, -1e-40, -0.0, 0.0, 1e-40, 1.0, 1.0, np.inf]])
    columns = torch.tensor([3, 2**32 - 1, 0, 7, 5, 6, 1, 9, 8, 4])
    keys = keys_of(scores, columns)
    order = np.lexsort((columns.numpy(), -scores[0].numpy()))
    np.testing.assert_array_equal(keys[0].argsort(descending=True).numpy(), order)
    indices, read = read_keys(keys)
    np.testing.assert_array_equal(indices[0], columns)
    np.testing.assert_array_equal(read, scores)


def test_a_missing_extension_warns_once_and_pytorch_ranks_instead(monkeypatch, caplog):
    found = builtins.__import__

    def without_extension(name, globals=None, locals=None, fromlist=(), level=0):
        if "_rank" in (fromlist or ()):
            raise ImportError("no module named _rank")
        return found(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", without_extension)
    kernel_module._compiled.cache_clear()
    try:
        assert all(isinstance(choose_kernel(), TorchKernel) for _ in range(3))
    finally:
        kernel_module._compiled.cache_clear()
    (record,) = caplog.records
    assert record.levelname == "WARNING" and "PyTorch is used instead" in record.getMessage()
