"""How well a system finds the other sheets of a patent: every sheet of a folder of patents asks all the others.

Usage: python benchmarks/real_sheets.py FOLDER [CONFIG ...] [--words KEY VALUE ...]

FOLDER/<patent>/<sheet>; sheets D00000, which repeat another, are excluded. Sheets are taken as they are: not cut into
figures, not turned. CONFIG: files of networks or descriptors; without one, the network in the box, HOG and stroke style.
Brackets: 95% intervals over patents.
"""

import argparse
import os
import platform
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from fastpatent import log
from fastpatent.config import load_config
from fastpatent.config.default_network import CONFIG
from fastpatent.data.image_files import find_drawings
from fastpatent.data.records import Sample
from fastpatent.device import cpu_name, set_up_device
from fastpatent.evaluation.intervals import mean_figures, patent_codes
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.retrieval.distance import normalise

DESCRIPTORS = Path(__file__).resolve().parent.parent / "configs" / "descriptors"
SYSTEMS = [CONFIG, DESCRIPTORS / "hog.yml", DESCRIPTORS / "stroke_style.yml"]


def leave_one_out(similarity, identities):
    """Return (average precision, whether the first is right) of each row that has another of its identity, and these rows.

    Args:
        similarity: float [sheets, sheets], larger is closer.
        identities: sequence of text [sheets].
    """
    codes, count = patent_codes(identities), len(identities)
    found = []
    for row in range(count):
        others = np.flatnonzero(np.arange(count) != row)
        order = others[np.argsort(-similarity[row, others], kind="stable")]
        relevant = codes[order] == codes[row]
        if relevant.any():
            ranks = np.flatnonzero(relevant) + 1
            found.append((row, (np.arange(1, len(ranks) + 1) / ranks).mean(), relevant[0]))
    rows, precision, first = map(np.array, zip(*found))
    return precision, first, rows


def main():
    """Measure each system and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("configs", nargs="*", default=SYSTEMS)
    parser.add_argument("--words", nargs="*", default=[], metavar="KEY VALUE", help="settings of all systems")
    options = parser.parse_args()
    paths, _ = find_drawings(options.folder, [], options.folder)
    paths = [path for path in paths if "D00000" not in path]
    samples = [Sample(os.path.join(options.folder, path), os.path.dirname(path)) for path in paths]
    identities = [sample.identity for sample in samples]
    log.start()
    table = []
    for config in options.configs:
        cfg = load_config(config, options.words)
        pipeline = Pipeline(cfg, set_up_device(cfg).device)
        features = pipeline.embed_images(samples, "the sheets")
        if pipeline.extractors[0].metric == "cosine":
            similarity = normalise(features) @ normalise(features).T
        else:
            similarity = -torch.cdist(*[torch.from_numpy(features).double()] * 2).numpy()
        precision, first, rows = leave_one_out(similarity, identities)
        figures = mean_figures(np.stack([precision, first], 1), patent_codes(identities[row] for row in rows), 1000, 0)
        words = [f"{figure.mean:.3f} [{figure.low:.3f}, {figure.high:.3f}]" for figure in figures]
        table.append([Path(config).stem, len(rows), *words])
    print(f"{cpu_name()}; torch {torch.__version__}, Python {platform.python_version()}; {len(set(identities))} patents")
    print(tabulate(table, headers=["system", "sheets", "mAP", "Acc@1"]))


if __name__ == "__main__":
    main()
