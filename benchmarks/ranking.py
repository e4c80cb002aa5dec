"""Cost of ranking beyond the matrix products it cannot avoid, and against the published row-at-a-time method.

Usage: python benchmarks/ranking.py [--small] [--json FILE]

Without options: the DeepPatent test protocol, 13,133 queries x 38,834 gallery rows of 2,048 dimensions (about five minutes
on 2 cores and 2 GiB of memory). --small: 4,000 x 12,000 x 1,024, under 50 s. Features are random clusters.
Both sides of every row are timed in the same run, in turn, the best of three with --small; the published method is timed on
a sample of rows and multiplied up.
"""

import argparse
import json
import platform
import threading
import time
from pathlib import Path

import faiss
import numpy as np
from environment import processor
from tabulate import tabulate

from fastpatent.retrieval.distance import normalise
from fastpatent.retrieval.expansion import expand_queries
from fastpatent.retrieval.index import rank_top
from fastpatent.retrieval.metrics import rank_metrics

FULL = {"queries": 13133, "gallery": 38834, "dim": 2048, "identities": 6927}
SMALL = {"queries": 4000, "gallery": 12000, "dim": 1024, "identities": 2100}
PRODUCT_ROWS = 1024
SAMPLED_ROWS = 60
QE_K, ALPHA, TOP = 5, 2.0, 10
GIB = 2**30


def main():
    """Measure, print the table, and write its rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="4,000 x 12,000 x 1,024, under 50 s on 2 cores")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()
    size = SMALL if options.small else FULL
    rows = measure(size, repeats=3 if options.small else 1)
    print(f"{size['queries']} queries x {size['gallery']} gallery rows x {size['dim']} dimensions, float32")
    print(
        f"{processor()}, {faiss.omp_get_max_threads()} threads; numpy {np.__version__}, faiss {faiss.__version__}, "
        f"Python {platform.python_version()}"
    )
    print(
        tabulate(
            [[*row.values()][:5] + ["yes" if row["met"] else "no"] for row in rows], headers=list(rows[0]), floatfmt=".3g"
        )
    )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def measure(size, repeats):
    """Return the table's rows: dicts of name, ours, theirs, ratio, target, met; seconds unless the name says GiB."""
    query, gallery, query_identities, gallery_identities = clusters(**size)
    published = published_seconds(query, gallery)
    seconds = {}
    for _ in range(repeats):
        with PeakMemory() as peak:
            rank_everything(seconds, query, gallery, query_identities, gallery_identities)
        timed(seconds, "products", lambda: multiply([query], [gallery]))
        timed(seconds, "all products", lambda: multiply([query, gallery], [query, gallery]))
    expansion, top, metrics, products, all_products = (
        seconds[name] for name in ("expansion", "top", "metrics", "products", "all products")
    )
    return [
        row("all metrics / query x gallery products", metrics, products, 1.4),
        row(f"top {TOP} / query x gallery products", top, products, 1.4),
        row(f"AQE k {QE_K} / all x all products", expansion, all_products, 1.4),
        row("AQE + top + metrics / their products", expansion + top + metrics, all_products + 2 * products, 1.4),
        row("AQE + top / published, row at a time", expansion + top, published, 0.5),
        row("GiB above the features / 1 GiB", peak.bytes / GIB, 1.0, 1.0),
    ]


def rank_everything(seconds, query, gallery, query_identities, gallery_identities):
    """Expand, search and measure; keep the time of each in `seconds` and nothing else."""
    expanded = timed(seconds, "expansion", lambda: expand_queries(query, gallery, QE_K, ALPHA, 1))
    timed(seconds, "top", lambda: rank_top(*expanded, TOP))
    timed(seconds, "metrics", lambda: rank_metrics(*expanded, query_identities, gallery_identities))


def row(name, ours, theirs, target):
    """Return one row; the target is met where ours / theirs is at most `target`."""
    return {
        "name": name,
        "ours": ours,
        "theirs": theirs,
        "ratio": ours / theirs,
        "target": target,
        "met": ours / theirs <= target,
    }


def clusters(queries, gallery, dim, identities):
    """Return (query, gallery, query identities, gallery identities): noise around one random centre an identity."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((identities, dim), dtype=np.float32)
    sides = []
    for count in (queries, gallery):
        labels = rng.integers(0, identities, count)
        features = rng.standard_normal((count, dim), dtype=np.float32)
        features *= 4
        features += centres[labels]
        sides.append((features, [f"design{label}" for label in labels]))
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


def timed(seconds, name, work):
    """Return work(), and keep under `name` in the dict `seconds` how long its fastest call took."""
    started = time.perf_counter()
    result = work()
    seconds[name] = min(seconds.get(name, float("inf")), time.perf_counter() - started)
    return result


def multiply(left, right):
    """Compute every inner product of lists of features in blocks of rows and keep none: the floor of any exact ranking."""
    for rows in left:
        for columns in right:
            product = np.empty((min(PRODUCT_ROWS, len(rows)), len(columns)), np.float32)
            for start in range(0, len(rows), PRODUCT_ROWS):
                block = rows[start : start + PRODUCT_ROWS]
                np.matmul(block, columns.T, out=product[: len(block)])


def published_seconds(query, gallery):
    """Return the estimated seconds of AQE and ranking one row at a time with a full sort for each, from a sample of rows."""
    together = np.concatenate([query, gallery])
    unit = normalise(together)
    unit_gallery = unit[len(query) :]

    def expand(number):
        similarities = unit[number] @ unit.T
        nearest = np.argsort(similarities)[-QE_K:]
        return np.mean(similarities[nearest, None] ** ALPHA * together[nearest], axis=0)

    def rank(number):
        return np.argsort(1 - unit[number] @ unit_gallery.T)[:TOP]

    total = 0.0
    for work, count in ((expand, len(together)), (rank, len(query))):
        sample = np.linspace(0, count - 1, min(SAMPLED_ROWS, count)).astype(int)
        work(0)
        started = time.perf_counter()
        for number in sample:
            work(number)
        total += (time.perf_counter() - started) * count / len(sample)
    return total


class PeakMemory:
    """Context that samples this process's resident memory; `bytes` is then its peak above the start (NaN off Linux)."""

    def __enter__(self):
        self._stop = threading.Event()
        self._start = self._highest = resident_bytes()
        self._sampler = threading.Thread(target=self._watch)
        self._sampler.start()
        return self

    def _watch(self):
        while not self._stop.wait(0.005):
            self._highest = max(self._highest, resident_bytes())

    def __exit__(self, *_):
        self._stop.set()
        self._sampler.join()
        self.bytes = self._highest - self._start


def resident_bytes():
    """Return this process's resident memory from /proc, or NaN where there is none."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
