"""Reading and preparing drawings for the network: from a pack, against decoding them each time with PIL.

Usage: python benchmarks/loading.py [--small] [--sheets DIR] [--multiview DIR] [--json FILE]

Both sides are the package's own loader in one process held to one core, batches of 64 at 256 x 256 px ready for the network:
once without a pack (PIL opens the file, grey, anti-aliased resize, tensor), once with one (page cache, checksum, tensor).
They take turns, the best of three counts, and their batches are compared to the bit. A pass over the pack is short, so ten
are timed together. What the loader does around a drawing is part of the time; worker processes are not. A pack of a few
hundred sheets may fit in the CPU's cache, that of the 4,000 multiview drawings does not.

--sheets: real ones, by default those of ../shared/impact beside the repository; where there are none, generated ones of
the same size. --multiview: drawings of 384 px, by default ../shared/multiview. --small: fewer, under 50 s on 2 cores.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import PIL
import torch
from drawings import draw_test_set
from table import faster, row, show

from fastpatent.config import get_cfg
from fastpatent.data.image_files import find_drawings
from fastpatent.data.image_source import DecodedDrawings
from fastpatent.data.loader import build_test_loader
from fastpatent.data.pack.place import pack_folder, pack_size
from fastpatent.data.pack.write import write_pack
from fastpatent.data.records import Sample
from fastpatent.data.transforms import build_resize
from fastpatent.device import cpu_name

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
PIXELS = 256
SHEETS = {False: 438, True: 150}  # at most, by --small
VIEWS = {False: 4000, True: 500}
TURNS, PASSES = 3, 10
TARGET = 20
LARGE, LIMIT = 355_000, 24.0  # drawings, and the gigabytes they may take


def main():
    """Measure, print the table, and write its rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="fewer drawings, under 50 s on 2 cores")
    parser.add_argument("--sheets", type=Path, metavar="DIR", default=SHARED / "impact", help="folder of real sheets")
    parser.add_argument(
        "--multiview", type=Path, metavar="DIR", default=SHARED / "multiview", help="folder of that data set"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    options = parser.parse_args()
    machine = cpu_name()
    hold_to_one_core()
    with tempfile.TemporaryDirectory() as scratch:
        sheets, kind = sheets_below(options.sheets, Path(scratch), SHEETS[options.small])
        rows, bytes_each = measure(f"{len(sheets[1])} {kind}", *sheets, Path(scratch) / "sheets", TARGET)
        rows.append(gigabytes(bytes_each))
        if options.multiview.is_dir():
            views = spread(find_drawings(options.multiview)[0], VIEWS[options.small])
            name = f"{len(views)} multiview drawings of 384 px"
            rows += measure(name, options.multiview, views, Path(scratch) / "views", None)[0]
    print(f"one core of {machine}; torch {torch.__version__}, Pillow {PIL.__version__}, Python {platform.python_version()}")
    print(f"command: python {' '.join(sys.argv)}")
    show(rows, options.json)


def hold_to_one_core():
    """Keep this process on one core, where the system can, and torch to one thread."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)


def sheets_below(folder, scratch, most):
    """Return ((root, relative paths of at most `most` drawings), what they are called)."""
    if folder.is_dir() and (found := find_drawings(folder)[0]):
        return (folder, spread(found, most)), f"sheets of {folder.name}"
    draw_test_set(scratch / "generated", most // 2, most - most // 2)
    return (scratch / "generated", find_drawings(scratch / "generated")[0]), "generated sheets (no real ones here)"


def spread(paths, most):
    """Return at most `most` of the paths, evenly spread over them."""
    return [paths[number * len(paths) // most] for number in range(most)] if len(paths) > most else paths


def measure(name, root, paths, packs, target):
    """Return ([the table's row], bytes that the pack takes for a drawing)."""
    cfg = get_cfg()
    cfg.INPUT.SIZE_TEST, cfg.DATALOADER.NUM_WORKERS, cfg.MODEL.DEVICE = [PIXELS, PIXELS], 0, "cpu"
    cfg.DATASETS.ROOT, cfg.DATASETS.PACKS = str(root), str(packs)
    samples = [Sample(str(Path(root).resolve() / path), None) for path in paths]
    size, decode = pack_size(cfg, "SIZE_TEST"), DecodedDrawings(build_resize(cfg, "SIZE_TEST"))
    folder = pack_folder(cfg, size)
    report = write_pack(folder, size, root, [sample.path for sample in samples], decode)
    if report.unreadable:
        sys.exit(f"error: {report.unreadable[0]}")
    packed = build_test_loader(cfg, samples, torch.device("cpu"))
    cfg.DATASETS.PACKS = ""
    decoded = build_test_loader(cfg, samples, torch.device("cpu"))
    for one, other in zip(packed, decoded, strict=True):
        if not torch.equal(one["images"], other["images"]):
            sys.exit("error: packed and decoded drawings differ")
    seconds = {"packed": [], "decoded": []}
    for _ in range(TURNS):
        seconds["packed"].append(seconds_a_pass(packed, PASSES))
        seconds["decoded"].append(seconds_a_pass(decoded, 1))
    ours, theirs = (1e3 * min(seconds[side]) / len(samples) for side in ("packed", "decoded"))
    size_on_disk = sum(path.stat().st_size for path in Path(folder).iterdir())
    return [faster(f"ms of a core a drawing, {name}", ours, theirs, target)], size_on_disk / len(samples)


def seconds_a_pass(loader, passes):
    """Return the mean time to go through the loader's batches."""
    started = time.perf_counter()
    for _ in range(passes):
        for _ in loader:
            pass
    return (time.perf_counter() - started) / passes


def gigabytes(bytes_each):
    """Return the row of the size that a large pack takes, by what a drawing of the small one takes."""
    ours = LARGE * bytes_each / 1e9
    name = f"GB of a pack of {LARGE:,} drawings at {PIXELS} px / {LIMIT:.0f} GB"
    return row(name, ours, LIMIT, 1.0)


if __name__ == "__main__":
    main()
