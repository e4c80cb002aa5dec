"""Vectors in 8 bits, which say within proven bounds what the products of the vectors are, from a quarter of the bytes."""

import functools
import os
from typing import NamedTuple

import numpy as np

from fastpatent.retrieval.distance import BLOCK_ROWS
from fastpatent.retrieval.kernel import CompiledKernel, Kernel, choose_kernel

LARGEST = 127  # code of a vector
LARGEST_ASKED = 2**15 - 1  # code of a query, which has more bits: it is read once
LARGEST_SUM = 2**30  # of products of codes, within int32
ROUNDING = 2.0**-23  # of float32, twice


class Codes(NamedTuple):
    """Codes of vectors [rows, dim].

    Attributes:
        codes: int8 [rows, dim].
        scales: float32 [rows, 2]: what a code of row i is worth, and the length of vector i - scales[i, 0] * codes[i],
            infinite for vectors that are not finite.
    """

    codes: np.ndarray
    scales: np.ndarray

    def bounds(
        self, queries: np.ndarray, rows: np.ndarray | None = None, starts: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return (lower, upper), float32 [queries, rows]: between them lie the products of queries with the vectors.

        With `starts` they are [queries, groups], and between them lies the highest product of each group.

        By Cauchy and Schwarz <q, d> differs from the product of the codes by at most |q - q'| |d| + |q'| |d - d'|, where
        q' and d' are what the codes are worth. The bounds leave room for products whose terms and sums are rounded to
        float32.

        Args:
            queries: float32 [queries, dim], of length 1 or 0, as the vectors.
            rows: int64, of the vectors; None: all.
            starts: int64 [groups], where the rows of each group begin, ascending; the last group ends with the last row.

        Returns:
            None where the compiled kernel is missing: without it, whole vectors are compared faster.
        """
        kernel = _kernel(os.getpid())
        if not isinstance(kernel, CompiledKernel):
            return None
        exact, dim = queries.astype(np.float64), queries.shape[1]
        sizes = np.abs(exact)
        least = np.maximum(sizes.max(axis=1) / LARGEST_ASKED, LARGEST * sizes.sum(axis=1) / LARGEST_SUM)
        worth, asked, errors = _rounded(exact, least)
        margins = np.stack([worth, 1 + errors, errors + (dim + 16) * ROUNDING], axis=1).astype(np.float32)
        count = len(self.codes) if rows is None else len(rows)
        ends = None if starts is None else np.append(starts, count)
        shape = len(queries), count if starts is None else len(starts)
        found = np.empty(shape, np.float32), np.empty(shape, np.float32)
        function = kernel.functions.bound_products
        work = functools.partial(function, *self, rows, ends, asked.astype(np.int16), margins, *found)
        kernel.share_out(work, shape[1])
        return found


def encode(vectors: np.ndarray) -> Codes:
    """Return the codes of float vectors [rows, dim]."""
    found = Codes(np.empty(vectors.shape, np.int8), np.empty((len(vectors), 2), np.float32))
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        exact = np.array(vectors[block], np.float64)
        usable = np.isfinite(exact).all(axis=1)
        exact[~usable] = 0
        found.scales[block, 0], found.codes[block], errors = _rounded(exact, np.abs(exact).max(axis=1) / LARGEST)
        with np.errstate(over="ignore"):  # of damaged vectors
            found.scales[block, 1] = np.where(usable, errors, np.inf)
    return found


def _rounded(exact: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (what a code of each row is worth, float32, nearly `least`; codes; lengths of what they miss, rounded up)."""
    worth = np.maximum(least, np.finfo(np.float32).tiny).astype(np.float32)
    codes = np.rint(exact / worth[:, None])
    return worth, codes, np.linalg.norm(exact - worth[:, None].astype(np.float64) * codes, axis=1) * (1 + 2 * ROUNDING)


@functools.cache
def _kernel(process: int) -> Kernel:
    """Return the kernel of a process: its threads are not those of a process that forked it."""
    return choose_kernel()
