"""Classic descriptors: AHDH against the recursion that it equals, and what each descriptor takes a sheet.

Usage: python benchmarks/descriptors.py [--small] [--images DIR] [--json FILE]

One process with one thread. The sheets are those whose size is nearest to 1400 x 1900 px. The recursion is the one that the
tests hold: one Python call for each of the 349,525 regions of ten levels. Both sides get the sheet as it is read, and their
numbers are compared. Each descriptor is then timed beside reading the same sheets from disk; the vocabulary of sift_fisher,
64 words of 64 dimensions, is learned on them, unmeasured. They take turns and the best of three counts.

--images: real sheets, by default those of ../shared/impact beside the repository; where there are none, generated ones.
--small: 3 sheets instead of 12, under 50 s on 2 cores.
"""

import argparse
import sys
import tempfile
from functools import partial
from math import log
from pathlib import Path

import cv2
import numpy as np
from drawings import draw_test_set
from PIL import Image
from table import faster, row, show, timed
from threadpoolctl import threadpool_limits

from fastpatent.data.image import read_drawing
from fastpatent.data.image_files import find_drawings
from fastpatent.descriptors import DESCRIPTORS
from fastpatent.descriptors.ahdh import ahdh
from fastpatent.device import cpu_name, versions

sys.path.append(str(Path(__file__).resolve().parent.parent))
from tests.descriptors.plain_ahdh import plain_ahdh

IMAGES = Path(__file__).resolve().parent.parent.parent / "shared/impact"
WIDTH, HEIGHT = 1400, 1900
SHEETS = {False: 12, True: 3}
GENERATED = 60
TURNS = 3
TARGET = 20
WORDS, DIM = 64, 64


def main():
    """Measure, print the table, and write its rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="3 sheets, under 50 s on 2 cores")
    parser.add_argument("--images", type=Path, metavar="DIR", default=IMAGES, help="folder of real sheets")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as scratch, threadpool_limits(1):
        folder, kind = options.images, f"sheets of {options.images.name}"
        if not folder.is_dir():
            folder, kind = Path(scratch), "generated sheets (no real ones here)"
            draw_test_set(folder, GENERATED // 2, GENERATED // 2)
        paths = nearest_in_size(folder, SHEETS[options.small])
        sheets = [read_drawing(path) for path in paths]
        rows = [against_the_recursion(sheets), *beside_reading(paths, sheets)]
    ink = np.median([np.count_nonzero(sheet < 128) for sheet in sheets])
    print(f"{len(sheets)} {kind}, {spread(sheets, 1)} x {spread(sheets, 0)} px, median {ink:,.0f} of ink; one thread")
    print(f"{cpu_name()}; {versions()}")
    show(rows, options.json)


def nearest_in_size(folder, most):
    """Return the paths of the drawings below a folder whose width and height are nearest to 1400 x 1900 in proportion."""

    def distance(path):
        with Image.open(path) as image:
            return abs(log(image.width / WIDTH)) + abs(log(image.height / HEIGHT))

    return sorted((Path(folder) / name for name in find_drawings(folder)[0]), key=distance)[:most]


def against_the_recursion(sheets):
    """Return the row of AHDH over all sheets; a number that differs ends the run."""
    seconds = {}
    for number, sheet in enumerate(sheets):
        for _ in range(TURNS):
            found = timed(seconds, f"ours {number}", lambda: ahdh(sheet))
            expected = timed(seconds, f"theirs {number}", lambda: plain_ahdh(sheet < 128))
        if not np.array_equal(found, expected.astype(np.float32)):
            sys.exit(f"error: AHDH and the recursion differ by up to {np.abs(found - expected).max()}")
    ours, theirs = (
        1e3 * sum(seconds[f"{side} {number}"] for number in range(len(sheets))) / len(sheets) for side in ("ours", "theirs")
    )
    return faster("ms a sheet, ahdh: ours / one Python call a region", ours, theirs, TARGET)


def beside_reading(paths, sheets):
    """Return a row for each descriptor: milliseconds to describe a sheet, and to read it."""
    seconds = {}
    for name in DESCRIPTORS.names():
        descriptor = DESCRIPTORS.get(name)
        describe = descriptor.describe
        if descriptor.learn:
            describe = partial(describe, vocabulary=descriptor.learn(paths, WORDS, DIM, seed=0))
        for _ in range(TURNS):
            timed(seconds, name, lambda: [describe(sheet) for sheet in sheets])
            timed(seconds, "read", lambda: [read_drawing(path) for path in paths])
    each = {name: 1e3 * total / len(sheets) for name, total in seconds.items()}
    return [row(f"ms a sheet, {name} / reading it", each[name], each["read"], None) for name in DESCRIPTORS.names()]


def spread(sheets, axis):
    """Return the smallest and the largest side along an axis, as text."""
    sides = [sheet.shape[axis] for sheet in sheets]
    return f"{min(sides)}..{max(sides)}"


if __name__ == "__main__":
    main()
