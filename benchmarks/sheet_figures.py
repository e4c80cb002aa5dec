"""Whole sheets against their figures: how often a sheet finds the other sheets of its patent first.

Usage: python benchmarks/sheet_figures.py FOLDER [CONFIG] [--counts CSV] [--words KEY VALUE ...]

FOLDER/<patent>/<sheet>; sheets D00000, which repeat another, are excluded. Each sheet is a query against all others, as a
whole or by its figures, which are views of one design: the score of a patent is the mean over the views of the best cosine
among its drawings. Below, each figure alone is a query against the figures of all other sheets. Sheets of patents that have
no other sheet are in the gallery only. Brackets: 95% intervals over patents.

--counts: table of IMPACT, with `id` and `no_figs`, to which the number of figures found is compared.
"""

import argparse
import csv
import os
import platform
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from fastpatent import log
from fastpatent.config import load_config
from fastpatent.config.default_network import CONFIG
from fastpatent.data.image import open_drawing
from fastpatent.data.image_files import find_drawings
from fastpatent.data.records import Sample
from fastpatent.device import cpu_name, set_up_device
from fastpatent.evaluation.intervals import mean_figures, patent_codes
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.retrieval.distance import normalise
from fastpatent.search.captions import find_captions
from fastpatent.search.figures import around, cut_out, ink_of, split_sheet

WHOLE, FIGURES, UNTURNED, CAPTIONED = "whole sheets", "figures", "figures, not turned", "figures, captions left in"
SINGLE = "one figure"
ROWS = [(WHOLE, WHOLE), (FIGURES, FIGURES), (WHOLE, FIGURES), (FIGURES, WHOLE), (UNTURNED,) * 2, (CAPTIONED,) * 2]


def with_captions(sheet, figures):
    """Return the figures of a sheet, with boxes that go around the captions that are nearest to them too."""
    parts, step = ink_of(sheet)
    corners = np.array([(left, top, left + width, top + height) for left, top, width, height, *_ in figures])
    wider = corners.copy()
    for caption in find_captions(parts):
        box = around(parts.boxes[caption.parts]) * step
        gaps = np.maximum(0, np.maximum(corners[:, :2] - box[2:], box[:2] - corners[:, 2:]))
        nearest = int(np.hypot(*gaps.T).argmin())
        wider[nearest] = around(np.stack([wider[nearest], box]))
    wider[:, 2:] -= wider[:, :2]
    return [
        figure._replace(left=x, top=y, width=w, height=h, blanks=()) for figure, (x, y, w, h) in zip(figures, wider.tolist())
    ]


def found_first(similarity, queries, query_sheets, gallery_sheets, patents):
    """Return [(whether the own patent comes first, its code)] of each query whose patent has another sheet.

    Args:
        similarity: float [views, drawings].
        queries: list of the rows of each query's views.
        query_sheets, gallery_sheets: int [views] and [drawings], number of the sheet.
        patents: int [sheets], codes.
    """
    found = []
    for rows in queries:
        sheet = query_sheets[rows[0]]
        others = gallery_sheets != sheet
        of_drawings = patents[gallery_sheets[others]]
        if (of_drawings == patents[sheet]).any():
            names = np.unique(of_drawings)
            scores = [similarity[np.ix_(rows, others)][:, of_drawings == name].max(axis=1).mean() for name in names]
            found.append((names[int(np.argmax(scores))] == patents[sheet], patents[sheet]))
    return found


def shares(found):
    """Return text: the mean of values [(value, patent)] over queries, and over the patents' means, with intervals."""
    values, patents = map(np.array, zip(*found))
    names = np.unique(patents)
    of_patents = np.array([values[patents == name].mean() for name in names])
    figures = [mean_figures(each[:, None], of, 1000, 0)[0] for each, of in ((values, patents), (of_patents, names))]
    return [f"{figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]" for figure in figures]


def main():
    """Print how many figures are found, and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("config", nargs="?", default=CONFIG)
    parser.add_argument("--counts", type=Path)
    parser.add_argument("--words", nargs="*", default=[], metavar="KEY VALUE", help="settings of the network")
    options = parser.parse_args()
    log.start()
    paths = [path for path in find_drawings(options.folder, [], options.folder)[0] if "D00000" not in path]
    identities = [os.path.dirname(path) for path in paths]
    patents = patent_codes(identities)
    sheets, found, seconds = [open_drawing(os.path.join(options.folder, path)) for path in paths], [], []
    for sheet in sheets:
        start = time.perf_counter()
        found.append(split_sheet(sheet))
        seconds.append(time.perf_counter() - start)
    figures, of_sheet = (
        [figure for each in found for figure in each],
        np.repeat(np.arange(len(paths)), list(map(len, found))),
    )
    print(f"{cpu_name()}; torch {torch.__version__}, Python {platform.python_version()}; {len(set(identities))} patents")
    print(f"{len(paths)} sheets, {len(figures)} figures, {np.median(seconds):.3f} s a sheet, at most {max(seconds):.3f} s")
    if options.counts:
        with open(options.counts, encoding="utf-8", newline="") as file:
            counts = {row["id"]: int(row["no_figs"]) for row in csv.DictReader(file)}
        split = Counter()
        for identity, each in zip(identities, found):
            split[identity[2:10]] += len(each)
        right = sum(counts[name] == count for name, count in split.items())
        print(f"by {options.counts.name} {sum(counts[name] for name in split)}; right of {right} of {len(split)} patents")
    images = {
        WHOLE: sheets,
        FIGURES: [cut_out(sheets[sheet], figure) for sheet, figure in zip(of_sheet, figures)],
        UNTURNED: [cut_out(sheets[sheet], figure._replace(turn=0)) for sheet, figure in zip(of_sheet, figures)],
        CAPTIONED: [cut_out(sheet, figure) for sheet, each in zip(sheets, found) for figure in with_captions(sheet, each)],
    }
    cfg = load_config(options.config, options.words)
    pipeline = Pipeline(cfg, set_up_device(cfg).device)
    features, numbers, queries = {}, {}, {}
    for name, each in images.items():
        samples = [Sample(f"{name} {place}", None, image=image) for place, image in enumerate(each)]
        features[name] = normalise(pipeline.embed_images(samples, name))
        numbers[name] = np.arange(len(paths)) if name == WHOLE else of_sheet
        queries[name] = [np.flatnonzero(numbers[name] == sheet) for sheet in range(len(paths))]
    table, right = [], {}
    for asked, gallery in [*ROWS, (SINGLE, FIGURES)]:
        views = FIGURES if asked == SINGLE else asked
        rows = np.arange(len(figures))[:, None] if asked == SINGLE else queries[asked]
        similarity = features[views] @ features[gallery].T
        right[asked, gallery] = found_first(similarity, rows, numbers[views], numbers[gallery], patents)
        table.append([asked, gallery, len(right[asked, gallery]), *shares(right[asked, gallery])])
    pairs = zip(right[FIGURES, FIGURES], right[WHOLE, WHOLE])
    gains = shares([(float(by_figures) - float(whole), patent) for (by_figures, patent), (whole, _) in pairs])
    table.append(["difference of figures", "to whole sheets", "", *gains])
    print(tabulate(table, headers=["query", "gallery", "queries", "found first", "mean over patents"]))


if __name__ == "__main__":
    main()
