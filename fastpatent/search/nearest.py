"""The vectors nearest to a query: exact among all or some of them, and approximate by FAISS among very many."""

import importlib
import os
from typing import Any

import numpy as np
import torch

from fastpatent.device import float32_arithmetic
from fastpatent.errors import DataError
from fastpatent.retrieval.codes import Codes
from fastpatent.search.layout import HNSW, IVFPQ

BLOCK_BYTES = 2**22  # of vectors in float32 that are compared at a time: memory that is reused, and mostly in a cache
ROUNDINGS = 16  # beside those of a product's terms, in a bound
SMALL = 2**23  # products of numbers that one thread sums: those of torch and BLAS spin for a while beside the next bounds
WIDE = 3  # of more than a third of the vectors, to gather them takes longer than to compare all
MOST_SCORES = 2**25  # that are in memory at a time
CANDIDATES = 10  # times k: rows that an approximate search finds, and that are compared exactly
CANDIDATES_OF_CODES = 100  # the same of an IVF-PQ, whose order is rough: of 250,000 x 512 it finds .92 where 10 find .78
EFFORTS = tuple(2**power for power in range(5, 12))  # neighbours of an HNSW, or parts of an IVF-PQ, that a search visits
CODES, POINTS = 256, 39  # of a product quantizer, and vectors that FAISS wants for each of them
TRAINED_ON = 2**18  # vectors, at most
DEGREE = 32  # neighbours of a vector in an HNSW
ROUNDS = 10  # of k-means, for the parts of an IVF-PQ; FAISS makes 25; the recall that is printed says whether these do
MOST_CODE = 64  # bytes of a vector in an IVF-PQ
MEASURED = 10  # of recall@10
ENOUGH = 0.95  # of it
ASKED = 200  # vectors that recall is measured with
SHARES = (1.0, 0.1, 0.01)  # of the drawings that filters leave, at which it is measured
ADDED = 2**16  # vectors that are added to FAISS at a time


def cosines(queries: np.ndarray, vectors: torch.Tensor, rows: np.ndarray | None = None) -> torch.Tensor:
    """Return float32 [queries, rows]: the products of queries with all vectors, or with some, on the device of these.

    They are summed in float64 and rounded once, so that a product is the same wherever and with whatever it is computed.

    Args:
        queries: float32 [queries, dim], of length 1.
        vectors: float32 or float16 [vectors, dim], of length 1.
        rows: int64, of the vectors; None: all.
    """
    found = _products(queries, vectors, rows, torch.float64).float()
    return found.nan_to_num_(-torch.inf, torch.inf, -torch.inf)  # of damaged vectors: the order has to be defined


def bounds(
    queries: np.ndarray,
    vectors: torch.Tensor,
    rows: np.ndarray | None = None,
    codes: Codes | None = None,
    starts: np.ndarray | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (lower, upper), float32 [queries, rows], between which `cosines` lie: what may be among the nearest is few.

    Arguments as of `cosines`; codes: of the vectors, where they are on a CPU; without them the vectors are compared in
    float32; starts: of groups of rows, as of `Codes.bounds`, whose highest cosine is bounded then.
    """
    found = codes.bounds(queries, rows, starts) if codes else None
    if found:
        return torch.from_numpy(found[0]), torch.from_numpy(found[1])
    rough = _products(queries, vectors, rows, torch.float32)
    margin = (vectors.shape[1] + ROUNDINGS) * torch.finfo(torch.float32).eps
    lower = (rough - margin).nan_to_num_(-torch.inf, -torch.inf)
    upper = (rough + margin).nan_to_num_(torch.inf, neginf=torch.inf)
    if starts is None:
        return lower, upper
    return torch.from_numpy(maxima(lower.cpu().numpy(), starts)), torch.from_numpy(maxima(upper.cpu().numpy(), starts))


def maxima(cosines: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return float32 [queries, groups]: the highest of cosines [queries, rows], where those of groups begin at `starts`."""
    return np.maximum.reduceat(cosines, starts, axis=1) if len(starts) else cosines


def _products(queries: np.ndarray, vectors: torch.Tensor, rows: np.ndarray | None, dtype: torch.dtype) -> torch.Tensor:
    if rows is not None and WIDE * len(rows) > len(vectors):
        return _products(queries, vectors, None, dtype)[:, torch.from_numpy(rows).to(vectors.device)]
    count = len(vectors) if rows is None else len(rows)
    if rows is not None and vectors.device.type == "cpu" and queries.size * count < SMALL:
        exact = np.einsum("qd,rd->qr", queries.astype(np.float64), vectors.numpy()[rows].astype(np.float64))
        return torch.from_numpy(exact).to(dtype)
    asked = torch.from_numpy(queries).to(vectors.device, dtype)
    found = torch.empty((len(asked), count), device=vectors.device, dtype=dtype)
    step = max(1, BLOCK_BYTES // (4 * vectors.shape[1]))
    with torch.inference_mode(), float32_arithmetic("ieee"):
        for start in range(0, count, step):
            block = slice(start, start + step)
            compared = vectors[block] if rows is None else _gathered(vectors, rows[block])
            found[:, block] = (compared.to(dtype) @ asked.T).T  # for few queries a third of the time of its transpose
    return found


def _gathered(vectors: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
    if vectors.device.type == "cpu":
        return torch.from_numpy(vectors.numpy()[rows])  # a third of the time of torch
    return vectors[torch.from_numpy(rows).to(vectors.device)]


def nearest(
    queries: np.ndarray, vectors: torch.Tensor, k: int, rows: np.ndarray | None = None, codes: Codes | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (cosines float32, rows int64), [queries, min(k, rows)], best first; exact, ties go to the lower row.

    Arguments as of `bounds`; `rows` ascends.
    """
    count = len(vectors) if rows is None else len(rows)
    k = min(k, count)
    scores, places = np.zeros((len(queries), k), np.float32), np.zeros((len(queries), k), np.int64)
    step = max(1, MOST_SCORES // max(count, 1))
    for start in range(0, len(queries) if k else 0, step):
        lower, upper = bounds(queries[start : start + step], vectors, rows, codes)
        floors = lower.topk(k, dim=1).values[:, -1:]
        for number, close in enumerate(~(upper < floors), start):
            left = close.nonzero()[:, 0].cpu().numpy()  # ascending; more than k where several may be the last
            left = left if rows is None else rows[left]
            order = cosines(queries[number][None], vectors, left)[0].sort(descending=True, stable=True)
            scores[number] = order.values[:k].cpu()
            places[number] = left[order.indices[:k].cpu()]
    return scores, places


class Neighbours:
    """An approximate search by FAISS, whose candidates are compared exactly.

    Args:
        found_in: the FAISS index of the vectors.
        effort: of EFFORTS.
    """

    def __init__(self, found_in: Any, effort: int) -> None:
        self.found_in, self.effort = found_in, effort

    @classmethod
    def read(cls, path: str | os.PathLike[str], effort: int, count: int, dim: int) -> "Neighbours":
        """Read a file of `write`; DataError where it is damaged, or not of so many vectors."""
        faiss = _faiss()
        try:
            found_in = faiss.read_index(os.fspath(path))
        except RuntimeError as error:
            raise DataError(f"{path}: is damaged: FAISS cannot read it") from error
        known = isinstance(found_in, (faiss.IndexIVF, faiss.IndexHNSW))
        if not known or (found_in.ntotal, found_in.d) != (count, dim):
            raise DataError(f"{path}: is damaged: it has other vectors than the index")
        return cls(found_in, effort)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the FAISS index to a new file; its bytes come as FAISS writes them, without pickles."""
        _faiss().write_index(self.found_in, os.fspath(path))

    def search(
        self,
        queries: np.ndarray,
        vectors: torch.Tensor,
        k: int,
        rows: np.ndarray | None = None,
        codes: Codes | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what `nearest` returns, nearly; where too few candidates are found, exactly."""
        count = len(vectors) if rows is None else len(rows)
        k = min(k, count)
        most = CANDIDATES_OF_CODES if isinstance(self.found_in, _faiss().IndexIVF) else CANDIDATES
        _, candidates = self.found_in.search(queries, min(most * k, count), params=self._parameters(k, rows))
        scores, places = np.zeros((len(queries), k), np.float32), np.zeros((len(queries), k), np.int64)
        for number, found in enumerate(candidates):
            found = np.unique(found[(found >= 0) & (found < len(vectors))])
            among = rows if len(found) < k else found
            scores[number], places[number] = (side[0] for side in nearest(queries[number][None], vectors, k, among, codes))
        return scores, places

    def _parameters(self, k: int, rows: np.ndarray | None) -> Any:
        faiss = _faiss()
        options = {}
        if rows is not None:
            chosen = np.zeros(self.found_in.ntotal, bool)
            chosen[rows] = True
            options["sel"] = faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))
        if isinstance(self.found_in, faiss.IndexIVF):
            return faiss.SearchParametersIVF(nprobe=self.effort, **options)
        return faiss.SearchParametersHNSW(efSearch=max(self.effort, CANDIDATES * k), **options)


def build_neighbours(kind: str, vectors: np.ndarray, codes: Codes, seed: int = 0) -> tuple[Neighbours, dict[str, float]]:
    """Build an approximate search with the least effort that finds enough.

    Args:
        kind: hnsw, or ivfpq.
        vectors: float32 or float16 [vectors, dim], of length 1.
        codes: of them.
        seed: of the vectors that are trained on, and that are asked for.

    Returns:
        (Neighbours, {share of the vectors that a filter leaves: recall@10}).

    Raises:
        DataError: there are too few vectors.
    """
    faiss = _faiss()
    count, dim = vectors.shape
    if count < CODES * POINTS:
        raise DataError(f"--kind {kind}: an approximate search needs {CODES * POINTS:,} drawings, not {count:,}; use flat")
    generator = np.random.default_rng(seed)
    if kind == HNSW:
        recipe = f"HNSW{DEGREE}_SQfp16"
    else:
        bytes_ = next(size for size in range(min(MOST_CODE, dim), 0, -1) if dim % size == 0)
        recipe = f"IVF{min(int(4 * count**0.5), min(count, TRAINED_ON) // POINTS)},PQ{bytes_}x8"
    found_in = faiss.index_factory(dim, recipe, faiss.METRIC_INNER_PRODUCT)
    if kind == IVFPQ:
        found_in.cp.niter = ROUNDS
    found_in.train(_some(vectors, TRAINED_ON, generator))
    for start in range(0, count, ADDED):
        found_in.add(np.asarray(vectors[start : start + ADDED], np.float32))
    asked = np.sort(generator.permutation(count)[:ASKED])
    queries, compared = np.asarray(vectors[asked], np.float32), torch.from_numpy(vectors)
    filters = {share: np.sort(generator.permutation(count)[: max(int(share * count), 2 * MEASURED)]) for share in SHARES}
    exact = {share: nearest(queries, compared, MEASURED + 1, rows, codes)[1] for share, rows in filters.items()}
    recall: dict[str, float] = {}
    for effort in EFFORTS:
        neighbours = Neighbours(found_in, effort)
        for share, rows in filters.items():
            _, found = neighbours.search(queries, compared, MEASURED + 1, None if share == 1 else rows, codes)
            recall[f"{share:g}"] = _recall(asked, exact[share], found)
        if min(recall.values()) >= ENOUGH:
            break
    return neighbours, recall


def _faiss() -> Any:
    return importlib.import_module("faiss")  # some machines that train have none


def _some(vectors: np.ndarray, most: int, generator: np.random.Generator) -> np.ndarray:
    rows = np.sort(generator.permutation(len(vectors))[:most])
    return np.asarray(vectors[rows], np.float32)


def _recall(asked: np.ndarray, exact: np.ndarray, found: np.ndarray) -> float:
    """Return recall@10: the share of the nearest rows, but for a query's own, that was found."""
    shares = []
    for own, wanted, rows in zip(asked, exact, found):
        others = [row for row in wanted if row != own][:MEASURED]
        shares.append(np.isin(others, rows).mean())
    return float(np.mean(shares))
