"""Searches with one drawing of a design against searches with several: how often the design itself is found first.

Usage: python benchmarks/query_views.py INDEX QUERIES [--images N]

INDEX: of the gallery, such as `fastpatent index build val_db_patent.txt --out INDEX`. QUERIES: list of drawings that are
not in it, `<path> <label>`, a design's folder as in the index. Every drawing is a query, then all of a design together;
of both the rank of the design among all patents. Below: the percentile of the first answer, and of the first answer
where the design itself is excluded, as if the index had it not: where `CLOSE` should lie between both.

--images: only the first N drawings.
"""

import argparse
import os
from collections import defaultdict
from pathlib import Path

import numpy as np

from fastpatent.search.filters import Filter
from fastpatent.search.index import Index, open_index
from fastpatent.search.query import CLOSE, Asked, Query, Result, View, answer_query, embed_queries

QUANTILES = (5, 25, 50, 75, 95)


def main() -> None:
    """Print a table of ranks and one of percentiles."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("index")
    parser.add_argument("queries", type=Path)
    parser.add_argument("--images", type=int)
    args = parser.parse_args()
    index, root = open_index(args.index), args.queries.resolve().parent.parent
    designs = defaultdict(list)
    for line in args.queries.read_text().splitlines()[: args.images]:
        path = root / line.rpartition(" ")[0]
        designs[path.parent.name].append(View(os.fspath(path)))
    (asked,) = embed_queries(index, [Query([view for views in designs.values() for view in views])])
    single, joint, without, place = [], [], [], 0
    for name, views in designs.items():
        vectors = asked.views[place : place + len(views)]
        place += len(views)
        for rows in (*np.split(vectors, len(views)), vectors):
            found = _search(index, Query(), asked._replace(views=rows))
            ranks = single if len(rows) == 1 and len(views) > 1 else joint
            patents = [answer.patent for answer in found.answers]
            ranks.append((patents.index(name) + 1 if name in patents else np.inf, found.answers[0].percentile))
        others = _search(index, Query(excluded=[name]), asked._replace(views=vectors), 1)
        without.append(others.answers[0].percentile)
    for what, found in (("one drawing", single), ("all of a design", joint)):
        ranks = np.array([rank for rank, _ in found])
        figures = [f"{name} {(ranks <= most).mean():.4f}" for name, most in (("first", 1), ("among 5", 5), ("among 20", 20))]
        print(f"{what}: {len(ranks)} queries, {', '.join(figures)}, mean of 1 / rank {(1 / ranks).mean():.4f}")
    right = [percentile for rank, percentile in joint if rank == 1]
    for what, percentiles in (("design found first", right), ("design excluded", without)):
        quantiles = ", ".join(f"{quantile} %: {np.percentile(percentiles, quantile):.2f}" for quantile in QUANTILES)
        below = np.mean(np.array(percentiles) < CLOSE)
        print(f"{what}: percentile of the first answer {quantiles}; nothing close (below {CLOSE:g}) is said of {below:.1%}")


def _search(index: Index, query: Query, asked: Asked, k: int | None = None) -> Result:
    return answer_query(index, query, asked, Filter(), k or len(index.patents))


if __name__ == "__main__":
    main()
