"""Cost of ranking beyond the matrix products it cannot avoid, and against the published row-at-a-time method.

Usage: python benchmarks/ranking.py [--small] [--images N] [--steps N] [--ours-only] [--device D] [--json FILE]

Without options: the DeepPatent test protocol, 13,133 queries x 38,834 gallery rows of 2,048 dimensions, then metrics alone
with 299,166 distractors more (about ten minutes on 2 cores and 6 GiB of memory). --small: 4,000 x 12,000 x 1,024, and
60,000 distractors, under 50 s. Features are random clusters. Both sides of every row are timed in the same run, in turn, the
best of three with --small; the published method is timed on a sample of rows and multiplied up. With --device cuda the
products are those of torch there. --images: queries, gallery and distractors together, in the same proportions; --steps: how
often each side is timed; --ours-only: neither products nor the published method.
"""

import argparse
import ctypes
import platform
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch
from table import add_size_options, alone, faster, row, show, timed

from fastpatent.device import cpu_name
from fastpatent.retrieval.distance import normalise
from fastpatent.retrieval.expansion import expand_queries
from fastpatent.retrieval.ranking import rank
from fastpatent.retrieval.reranking import reciprocal_similarity

FULL = {"queries": 13133, "gallery": 38834, "dim": 2048, "identities": 6927}
SMALL = {"queries": 4000, "gallery": 12000, "dim": 1024, "identities": 2100}
DISTRACTORS = {False: 299166, True: 60000}
PRODUCT_ROWS = 1024
SAMPLED_ROWS = 240
QE_K, ALPHA, TOP = 5, 2.0, 10
K1, K2 = 20, 6
GPU_SECONDS = 8.0  # at most, for expansion, top and metrics
GIB = 2**30


def main():
    """Measure, print the table, and write its rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="4,000 x 12,000 x 1,024, under 50 s on 2 cores")
    add_size_options(parser, "rows of queries, gallery and distractors together", "how often each side is timed")
    parser.add_argument("--device", default="cpu", help="where ours and the products compute: cpu or cuda")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()
    size, distractors = SMALL if options.small else FULL, DISTRACTORS[options.small]
    if options.images:
        share = options.images / (size["queries"] + size["gallery"] + distractors)
        size = {name: count if name == "dim" else round(count * share) for name, count in size.items()}
        distractors = round(distractors * share)
    repeats = options.steps or (3 if options.small else 1)
    rows = measure(size, distractors, repeats, options.device, options.ours_only)
    print(f"{size['queries']} queries x {size['gallery']} gallery rows x {size['dim']} dimensions, float32")
    print(
        f"{cpu_name()}, {torch.get_num_threads()} threads, ours on {options.device}; numpy {np.__version__}, "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )
    show(rows, options.json)


def measure(size, distractors, repeats, device, ours_only):
    """Return the table's rows: dicts of name, ours, theirs, ratio, target, met; seconds unless the name says GiB."""
    query, gallery, query_identities, gallery_identities = clusters(**size)
    identities = query_identities, gallery_identities
    seconds, peaks = {}, {}
    few = slice(0, 256)  # the first use of a GPU takes seconds, and host memory for its context
    rank_everything({}, {}, query[few], gallery[few], (query_identities[few], gallery_identities[few]), device)
    growth = metrics_alone(seconds, peaks, query, gallery, identities, distractors, repeats, device)
    for _ in range(repeats):
        rank_everything(seconds, peaks, query, gallery, identities, device)
        if not ours_only:
            timed(seconds, "products", lambda: multiply([query], [gallery], device))
            timed(seconds, "all products", lambda: multiply([query, gallery], [query, gallery], device))
    measured(seconds, peaks, "re-ranking", lambda: reciprocal_similarity(query, gallery, K1, K2, device=device))
    ours = seconds["expansion"] + seconds["ranking"]
    name = f"AQE k {QE_K} + top {TOP} + all metrics"
    whole = alone(name, ours) if device == "cpu" else row(f"{name} / {GPU_SECONDS:g} s", ours, GPU_SECONDS, 1.0)
    if ours_only:
        return [
            whole,
            alone(f"k-reciprocal (k1 {K1}, k2 {K2})", seconds["re-ranking"]),
            alone(f"metrics, {len(gallery) + distractors} gallery rows", seconds["metrics, large"]),
        ]
    published = published_seconds(query, gallery, *identities)
    products = seconds["products"] + seconds["all products"]
    return [
        *([] if device == "cpu" else [whole]),
        row(f"{name} / the products they need", ours, products, 1.4),
        row(f"AQE k {QE_K} / all x all products", seconds["expansion"], seconds["all products"], None),
        row(f"top {TOP} + all metrics / query x gallery products", seconds["ranking"], seconds["products"], None),
        faster("published, row at a time / AQE + top + metrics", ours, published, 20),
        row("the same, GiB above the features / 1 GiB", max(peaks["expansion"], peaks["ranking"]) / GIB, 1.0, 1.0),
        row(
            f"metrics, {len(gallery) + distractors} / {len(gallery)} gallery rows, seconds a row",
            seconds["metrics, large"] / growth,
            seconds["metrics"],
            1.2,
        ),
        row("the same, GiB above the features", peaks["metrics, large"] / GIB, peaks["metrics"] / GIB, 1.1),
        row(
            f"k-reciprocal (k1 {K1}, k2 {K2}), {len(query) + len(gallery)} rows, GiB above the features / 2 GiB",
            peaks["re-ranking"] / GIB,
            2.0,
            1.0,
        ),
        row("k-reciprocal / all x all products", seconds["re-ranking"], seconds["all products"], None),
    ]


def metrics_alone(seconds, peaks, query, gallery, identities, distractors, repeats, device):
    """Measure a gallery and one extended by distractors, before anything else has left memory behind; return the growth."""
    rng = np.random.default_rng(1)
    large = np.concatenate([gallery, rng.standard_normal((distractors, gallery.shape[1]), dtype=np.float32)])
    extended = identities[0], identities[1] + [None] * distractors
    for _ in range(repeats):
        measured(seconds, peaks, "metrics", lambda: rank(query, gallery, 0, identities, device=device))
        measured(seconds, peaks, "metrics, large", lambda: rank(query, large, 0, extended, device=device))
    return len(large) / len(gallery)


def rank_everything(seconds, peaks, query, gallery, identities, device):
    """Expand, then search and measure in one pass."""
    expanded = measured(seconds, peaks, "expansion", lambda: expand_queries(query, gallery, QE_K, ALPHA, 1, device=device))
    measured(seconds, peaks, "ranking", lambda: rank(*expanded, TOP, identities, device=device))


def clusters(queries, gallery, dim, identities):
    """Return (query, gallery, query identities, gallery identities): noise around one random centre an identity.

    Rows of one identity stand together, as the drawings of a patent do in the lists.
    """
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((identities, dim), dtype=np.float32)
    sides = []
    for count in (queries, gallery):
        labels = np.sort(rng.integers(0, identities, count))
        features = rng.standard_normal((count, dim), dtype=np.float32)
        features *= 4
        features += centres[labels]
        sides.append((features, [f"design{label}" for label in labels]))
    return sides[0][0], sides[1][0], sides[0][1], sides[1][1]


def measured(seconds, peaks, name, work):
    """As `timed`, and keep under `name` in the dict `peaks` the bytes above those held at the start."""
    with PeakMemory() as peak:
        result = timed(seconds, name, work)
    peaks[name] = max(peaks.get(name, 0), peak.bytes)
    return result


def multiply(left, right, device):
    """Compute every inner product of lists of features in blocks of rows and keep none: the floor of any exact ranking."""
    if device != "cpu":
        left, right = ([torch.from_numpy(rows).to(device) for rows in side] for side in (left, right))
        for rows in left:
            for columns in right:
                product = rows.new_empty(PRODUCT_ROWS, len(columns))
                for block in rows.split(PRODUCT_ROWS):
                    torch.mm(block, columns.T, out=product[: len(block)])
        product[0, 0].item()  # waits for the last
        return
    for rows in left:
        for columns in right:
            product = np.empty((min(PRODUCT_ROWS, len(rows)), len(columns)), np.float32)
            for start in range(0, len(rows), PRODUCT_ROWS):
                block = rows[start : start + PRODUCT_ROWS]
                np.matmul(block, columns.T, out=product[: len(block)])


def published_seconds(query, gallery, query_identities, gallery_identities):
    """Return the estimated seconds of AQE, ranking and metrics by row, with a full sort for each, from a sample of rows."""
    together = np.concatenate([query, gallery])
    unit = normalise(together)
    unit_gallery = unit[len(query) :]
    names = np.array(gallery_identities)

    def expand(number):
        similarities = unit[number] @ unit.T
        nearest = np.argsort(similarities)[-QE_K:]
        return np.mean(similarities[nearest, None] ** ALPHA * together[nearest], axis=0)

    def measure_one(number):
        order = np.argsort(1 - unit[number] @ unit_gallery.T)
        hits = names[order] == query_identities[number]
        return order[:TOP], (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].sum() / max(hits.sum(), 1)

    total = 0.0
    for work, count in ((expand, len(together)), (measure_one, len(query))):
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
        if sys.platform == "linux":
            ctypes.CDLL(None).malloc_trim(0)  # memory freed before but still held by the process would hide new memory
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
