"""Make the images of multiview small enough to travel: archives of 128 px PNG files of 16 grey levels.

Usage: python benchmarks/gpu/prepare.py --data ROOT [--out DIR] [--part P...] [--side N]
       python benchmarks/gpu/prepare.py --generate N ...

An archive holds lists and the drawings that they name, below `multiview/`, so that the configurations of multiview read what
they unpack to. PNG files are stored, not compressed, because xz compresses many drawings together better: 1.3 KB a drawing
instead of 2.0. The parts: train; val; test, with the plain twins. --generate makes the archives of N generated designs.
"""

import argparse
import io
import multiprocessing
import os
import sys
import tarfile
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from fastpatent.config import load_config
from fastpatent.data.image_source import build_decode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from drawings import draw_small_set  # noqa: E402

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "multiview" / "sbs_R50-ibn-nl_multiview_128.yml"
LEVELS = 16
PARTS = {"train": ["train_patent_trn"], "val": ["val_query_patent", "val_db_patent"]}
PARTS["test"] = ["test_query_patent", "test_db_patent", "test_query_plain", "test_db_plain"]
MOST = 46 * 10**6  # bytes of an archive
PALETTE = [level * 255 // (LEVELS - 1) for level in range(LEVELS) for _ in "rgb"]


def main():
    """Write the archives, and print how large they are; return 1 where one is too large to travel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--data", type=Path, metavar="ROOT", help="the folder of multiview")
    given.add_argument("--generate", type=int, metavar="N", help="generated drawings of N designs instead")
    parser.add_argument("--out", type=Path, default=Path("gpu_data"), metavar="DIR", help="where to (default gpu_data)")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS), help="which archives (default all)")
    parser.add_argument("--side", type=int, default=128, metavar="N", help="pixels a side (default 128)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if options.generate:
            draw_small_set(folder, options.generate, options.side)
        root = options.data or Path(folder)
        archives = {part: options.out / f"multiview_{part}.tar.xz" for part in options.part}
        sizes = [write_part(root, archive, PARTS[part], options.side) for part, archive in archives.items()]
    return int(max(sizes) > MOST)


def write_part(root, archive, lists, side):
    """Write one archive; return its bytes."""
    cfg = load_config(CONFIG, ["INPUT.SIZE_TEST", f"[{side},{side}]"])
    decode = build_decode(cfg, "SIZE_TEST")
    files = [root / "data" / f"{name}.txt" for name in lists]
    names = [line.split()[0] for file in files for line in file.read_text().splitlines()]
    names = sorted(set(names))  # drawings of one object beside each other: they are alike
    unfinished = archive.with_suffix(".part")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with tarfile.open(unfinished, "w:xz", preset=6) as tar, multiprocessing.Pool(cores) as pool:
        for file in files:
            tar.add(file, f"multiview/data/{file.name}")
        for name, png in zip(names, pool.imap(partial(small_png, decode, root), names, chunksize=64)):
            entry = tarfile.TarInfo(f"multiview/{name}")
            entry.size = len(png)
            tar.addfile(entry, io.BytesIO(png))
    unfinished.replace(archive)
    size = archive.stat().st_size
    print(f"{archive}: {len(names)} drawings, {size / 1e6:.1f} MB{', too large to travel' * (size > MOST)}", flush=True)
    return size


def small_png(decode, root, name):
    """Return a drawing as the bytes of a PNG file of 4 bits a pixel."""
    levels = (decode(str(root / name)).astype(int) * (LEVELS - 1) + 127) // 255
    picture, file = Image.fromarray(levels.astype(np.uint8)), io.BytesIO()
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    picture.putpalette(PALETTE)
    picture.save(file, "PNG", bits=4, compress_level=0)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
