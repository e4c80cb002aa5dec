"""Searches of large indexes: how long they take, what they find, and what they need, in one table.

Usage: python benchmarks/search.py [--small] [--drawings N] [--kind K] [--folder DIR] [--searches N] [--json FILE]

The indexes are made of random vectors, with a seed: a mean direction, designs and their drawings around them, by a spectrum
that falls as that of the network in the box does (512 dimensions; `--like INDEX` prints both, and does nothing else).
Queries are further drawings of designs. Each index is built in one process and searched in another. Times are those of
`answer_query`: all of a search but the network, that is bounds, exact cosines, patents, and the facts of 20 answers.
Memory is what is no page of a file (RssAnon of Linux): pages of mapped vectors and codes are the system's cache. It is the
most that was seen, ten times a second. "uniform" are directions without any structure, the worst case.
"""

import argparse
import json
import multiprocessing
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tabulate import tabulate

from fastpatent.retrieval.distance import normalise
from fastpatent.search import index as opened
from fastpatent.search import nearest
from fastpatent.search.filters import Filter
from fastpatent.search.generation import Drawing, Facts, write_generation
from fastpatent.search.index import Index, open_index
from fastpatent.search.layout import generation_folder
from fastpatent.search.query import Asked, Query, answer_query

MEAN, WITHIN, FALL = 0.55, 0.33, 0.5  # length of the mean; share of a drawing in its variance; power of the spectrum
DESIGNS, DRAWINGS = 512, 7  # of a block; of a design
PNG = b"\x89PNG of no drawing"
K, RECALL, PAUSE = 20, 10, 0.1
TITLES = [f"{what} for {whom}" for what in ("Chair", "Lamp", "Kettle") for whom in ("a child", "a car", "garden use")]
LIKE, UNIFORM = "like the network", "uniform"
CASES = (("flat", 350_000, 512, LIKE), ("flat", 350_000, 512, UNIFORM), ("ivfpq", 3_600_000, 512, LIKE))
SMALL = (("flat", 12_000, 64, LIKE), ("hnsw", 12_000, 64, LIKE))


class Block(NamedTuple):
    """Designs of the random set: a store of vectors, as `write_generation` takes it, and queries for them."""

    number: int
    dim: int
    kind: str

    @property
    def vectors(self) -> np.ndarray:
        """Float32 [designs * drawings, dim], design by design."""
        return _block(self)[0]

    @property
    def queries(self) -> np.ndarray:
        """Float32 [designs, dim]."""
        return _block(self)[1]

    def thumbnail(self, row: int) -> bytes:
        """Return no PNG file."""
        return PNG


@lru_cache(maxsize=2)
def _block(block: Block) -> tuple[np.ndarray, np.ndarray]:
    common, own = np.random.default_rng(0), np.random.default_rng([1, block.number])
    mean = common.standard_normal(block.dim)
    mean *= MEAN / np.linalg.norm(mean)
    spread = np.arange(1, block.dim + 1) ** -FALL
    if block.kind == UNIFORM:
        mean, spread = np.zeros(block.dim), np.ones(block.dim)
    spread *= np.sqrt((1 - mean @ mean) / (spread @ spread))
    designs = own.standard_normal((DESIGNS, 1, block.dim), np.float32)
    drawings = own.standard_normal((DESIGNS, DRAWINGS + 1, block.dim), np.float32)
    found = mean + spread * (np.sqrt(1 - WITHIN) * designs + np.sqrt(WITHIN) * drawings)
    found = normalise(found.reshape(-1, block.dim).astype(np.float32)).reshape(found.shape)
    return found[:, :DRAWINGS].reshape(-1, block.dim), found[:, DRAWINGS]


def build(folder: Path, kind: str, count: int, dim: int, vectors: str) -> dict[str, Any]:
    """Write an index; return seconds and memory."""
    started, drawings, size = time.perf_counter(), [], DESIGNS * DRAWINGS
    blocks = [Block(number, dim, vectors) for number in range(-(-count // size))]
    with memory() as peak:
        for number in range(count):
            design = number // DRAWINGS
            day = date(2010, 1, 1) + timedelta(design % 5000)
            facts = Facts(f"USD{design:07d}-{day:%Y%m%d}", TITLES[design % len(TITLES)], (f"D{design % 34}",), "", day)
            digest = number.to_bytes(16, "little")
            path = f"/drawings/{facts.patent}/{facts.patent}-D{number % DRAWINGS:05d}.png"
            drawings.append(Drawing(path, facts, 1, 1, digest, blocks[number // size], number % size))
        network = {"digest": "0" * 64, "config": {}, "texts": False}
        manifest = write_generation(folder, drawings, {}, network, ["/drawings"], kind)
    disk = sum(file.stat().st_size for file in generation_folder(folder, 1).iterdir())
    recall = min(manifest["recall"].values(), default=None)
    return {"seconds": time.perf_counter() - started, "memory": peak(), "disk": disk, "recall": recall}


def measure(folder: Path, dim: int, vectors: str, searches: int) -> list[dict[str, Any]]:
    """Return rows of a table of searches."""
    generator, rows = np.random.default_rng(2), []
    started = time.perf_counter()
    with memory() as peak:
        index = open_index(folder)
        opening = time.perf_counter() - started
        blocks = generator.integers(-(-len(index) // (DESIGNS * DRAWINGS)), size=8).tolist()
        queries = np.concatenate([Block(block, dim, vectors).queries for block in blocks])
        queries = queries[generator.permutation(len(queries))[: max(searches, 300)]]
        share = {part: generator.random(len(index)) < part for part in (0.01, 0.1)}
        for name, views, query, passed in (
            ("one drawing", 1, Query(), None),
            ("three drawings", 3, Query(), None),
            ("one, expanded by 5", 1, Query(expand=5), None),
            ("one, filter of 10 %", 1, Query(), share[0.1]),
            ("one, filter of 1 %", 1, Query(), share[0.01]),
        ):
            seconds = []
            for number in range(searches + 5):  # the first five are not counted
                asked = Asked(queries[np.arange(number, number + views) % len(queries)], queries[:0], None, [], [], [])
                begun = time.perf_counter()
                answer_query(index, query, asked, Filter(passed=passed), K)
                seconds.append(time.perf_counter() - begun)
            p50, p99 = np.percentile(np.array(seconds[5:]) * 1e3, [50, 99])
            rows.append({"search": name, "p50": p50, "p99": p99, "passed": passed})
    for row in rows:  # apart: exact search for many queries at once takes memory of its own
        passed = row.pop("passed")
        row |= {"memory": peak(), "opening": opening, "recall": recall(index, queries[:100], passed)}
        row["forced"] = recall(index, queries[:100], passed, forced=True) if passed is not None else None
    return rows


def recall(index: Index, queries: np.ndarray, passed: np.ndarray | None, forced: bool = False) -> float | None:
    """Return recall@10 against exact search; forced: without the rule that few rows are compared exactly."""
    if forced and index.manifest["kind"] == "flat":
        return None
    rows = None if passed is None else np.flatnonzero(passed)
    _, exact = nearest.nearest(queries, torch.from_numpy(index.vectors), RECALL, rows, index._codes)
    most, opened.MOST_EXACT = opened.MOST_EXACT, 0 if forced else opened.MOST_EXACT
    _, found = index.search(queries, RECALL, rows)
    opened.MOST_EXACT = most
    return float(np.mean([np.isin(*pair).mean() for pair in zip(exact, found)]))


class memory:
    """A context whose value is a function that returns the most anonymous memory that was seen within, in bytes."""

    def __enter__(self) -> Callable[[], int]:
        """Begin to look."""
        self.seen, self.over = [_anonymous()], threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return lambda: max(self.seen)

    def __exit__(self, *error: object) -> None:
        """Look no more."""
        self.over.set()
        self.thread.join()

    def _look(self) -> None:
        while not self.over.wait(PAUSE):
            self.seen.append(_anonymous())


def _anonymous() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


def compare(folder: str) -> None:
    """Print spectrum and cosines of 8,000 vectors of an index, projected to 512 dimensions, and of as many random ones."""
    real = np.asarray(open_index(folder).vectors[:8000], np.float32)
    axes = np.linalg.svd(real - real.mean(axis=0), full_matrices=False)[2][:512]
    made = np.concatenate([Block(number, 512, "").vectors for number in range(3)])[:8000]
    for name, vectors in ((folder, real), (f"{folder}, 512 dimensions", normalise(real @ axes.T)), ("random", made)):
        energy = np.cumsum(np.linalg.svd(vectors, compute_uv=False) ** 2) / len(vectors)
        cosines = np.sort(vectors[::20] @ vectors.T, axis=1)[:, ::-1]
        print(f"{name}: of the energy in 1, 16, 64, 128, 256 axes: {energy[[0, 15, 63, 127, 255]].round(2)}")
        print(f"   cosines of rank 1, 2, 5, 10, 100: {cosines[:, [1, 2, 5, 10, 100]].mean(axis=0).round(2)}", end="; ")
        print(f"all, 1, 50, 99 %: {np.percentile(cosines, [1, 50, 99]).round(2)}")


def in_a_process(work: Callable, *arguments: Any) -> Any:
    """Return work(*arguments) of a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--small", action="store_true", help="sizes that take seconds")
    parser.add_argument("--drawings", type=int, help="another number of drawings")
    parser.add_argument("--kind", help="this kind alone")
    parser.add_argument("--folder", type=Path, help="for the indexes, which stay there and are used again")
    parser.add_argument("--searches", type=int, default=300)
    parser.add_argument("--like", metavar="INDEX", help="compare the random vectors with those of an index")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.like:
        return compare(args.like)
    scratch = args.folder or Path(tempfile.mkdtemp(prefix="search-"))
    table = []
    for kind, count, dim, vectors in SMALL if args.small else CASES:
        if args.kind not in (None, kind):
            continue
        count = args.drawings or count
        folder = scratch / f"{kind}-{count}-{dim}-{vectors[:4]}"
        made: dict[str, Any] = {}
        if not (folder / "manifest.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            made = in_a_process(build, folder, kind, count, dim, vectors)
            print(f"built {kind} of {count:,} x {dim}, {vectors}: {made}", flush=True)
        for row in in_a_process(measure, folder, dim, vectors, args.searches):
            table.append({"index": f"{kind}, {count:,} x {dim}, {vectors}", **row, "build": made})
        print(show(table), flush=True)
    if not args.folder:
        shutil.rmtree(scratch)
    if args.json:
        args.json.write_text(json.dumps(table, indent=1) + "\n")


def show(table: list[dict[str, Any]]) -> str:
    """Return the rows as text."""
    cells = [
        [
            row["index"], row["search"], row["p50"], row["p99"], row["recall"], row["forced"], row["memory"] / 2**20,
            row["opening"], row["build"].get("seconds"), row["build"].get("memory", 0) / 2**20 or None,
            row["build"].get("disk", 0) / 2**20 or None,
        ]
        for row in table
    ]  # fmt: skip
    heads = ["index", "search", "p50 ms", "p99 ms", "recall@10", "by FAISS", "MiB", "opened s", "built s", "MiB", "disk MiB"]
    return tabulate(cells, heads, floatfmt=".3f", missingval="-")


if __name__ == "__main__":
    main()
