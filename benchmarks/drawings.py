"""Any number of distinct drawings in the layouts of DeepPatent and multiview, for benchmarks that need no data set."""

import multiprocessing
import os
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw

STROKES, CORNERS = 20, 6
VIEWS = 8  # of a design of a small set


def draw_test_set(root, queries, gallery, sheets=()):
    """Write queries + gallery drawings and their lists below `root`; the data set DeepPatentTest reads them.

    Every query is of another design, and every gallery drawing of one of these. A design is a sheet of random strokes, or
    one of `sheets`; its drawings are that sheet shifted, with a mark of their own.

    Args:
        root: folder, made here.
        queries, gallery: how many.
        sheets: paths of real drawings; designs take them in turn.
    """
    names = [f"patent_data/D{number % queries:06d}/{number:06d}.png" for number in range(queries + gallery)]
    for name in names[:queries]:
        (Path(root) / name).parent.mkdir(parents=True)
    write = partial(_draw, root, queries, [str(sheet) for sheet in sheets])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with multiprocessing.Pool(cores) as pool:
        pool.map(write, enumerate(names), chunksize=8)
    for part, listed in (("query", names[:queries]), ("db", names[queries:])):
        lines = [f"{name.removeprefix('patent_data/')} 1\n" for name in listed]
        (Path(root) / f"test_{part}_patent.txt").write_text("".join(lines))


def _draw(root, designs, sheets, numbered):
    number, name = numbered
    design = number % designs
    sheet = Image.open(sheets[design % len(sheets)]) if sheets else _strokes(design)
    if sheet.mode != "1":
        sheet = sheet.convert("L")
    rng = np.random.default_rng(number)
    drawing = ImageChops.offset(sheet, *map(int, rng.integers(-20, 21, 2)))
    corners = (rng.random((CORNERS, 2)) * drawing.size).astype(int)
    ImageDraw.Draw(drawing).line([tuple(map(int, corner)) for corner in corners], fill=0, width=3)
    drawing.save(Path(root) / name, compress_level=1)


def _strokes(design):
    """Draw a sheet of the size and ink of a scanned one: 1,000 to 2,000 pixels a side, thin polylines."""
    rng = np.random.default_rng([1, design])
    sheet = Image.new("1", tuple(map(int, rng.integers(1000, 2001, 2))), 1)
    pen = ImageDraw.Draw(sheet)
    for corners in rng.random((STROKES, CORNERS, 2)) * sheet.size:
        pen.line([tuple(map(int, corner)) for corner in corners], fill=0, width=3)
    return sheet


def draw_small_set(root, designs, side):
    """Write a data set in the layout of multiview below `root`: of five designs three are in train, one in val, one in test.

    Every design is a polygon, its drawings are views with shaken corners. The plain lists name the drawings of the test.

    Args:
        root: folder, made here.
        designs: how many, at least 5.
        side: of a drawing, in pixels.
    """
    root, rng, lists = Path(root), np.random.default_rng(0), defaultdict(list)
    for design in range(designs):
        folder = f"images/{design:04d}"
        (root / folder).mkdir(parents=True)
        corners = rng.integers(side // 8, side - side // 8, (CORNERS, 2))
        for view in range(VIEWS):
            sheet, name = Image.new("L", (side, side), 255), f"{folder}/{design:04d}_{view}.png"
            moved = corners + rng.integers(-side // 16, side // 16 + 1, corners.shape)
            ImageDraw.Draw(sheet).polygon([tuple(map(int, corner)) for corner in moved], outline=0, width=side // 48 + 1)
            sheet.save(root / name)
            part = "query" if view == 0 else "db"
            held_out = {3: [f"val_{part}_patent"], 4: [f"test_{part}_patent", f"test_{part}_plain"]}
            for listed in held_out.get(design % 5, ["train_patent_trn"]):
                lists[listed].append(f"{name} {design}\n")
    (root / "data").mkdir()
    for listed, lines in lists.items():
        (root / "data" / f"{listed}.txt").write_text("".join(lines))
