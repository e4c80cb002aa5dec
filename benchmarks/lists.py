"""Reading DeepPatent's list files: what a run waits for before it can start.

Usage: python benchmarks/lists.py [--lists DIR] [--json FILE]

DIR holds the published test and validation lists, by default ../shared/deeppatent beside the repository. They are read as
they lie. Then every drawing that they name is made as an empty file in a scratch folder (some minutes), and as many training
drawings as are published, under made-up names of the same form; the data sets are read with every drawing looked for, and
the extended list is written. The best of three counts; the file system's cache is warm.
"""

import argparse
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from table import row, show, timed

from fastpatent.config import get_cfg
from fastpatent.data.datasets import DATASETS
from fastpatent.data.deeppatent_reference import COUNTS
from fastpatent.data.lists import listed_samples, read_lines
from fastpatent.device import cpu_name
from fastpatent.uspto.extended import write_extended_list

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
TURNS, LIMIT = 3, 2.0  # seconds


def main():
    """Measure, print the table, and write its rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lists", type=Path, metavar="DIR", default=SHARED / "deeppatent", help="the published lists")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    options = parser.parse_args()
    if not options.lists.is_dir():
        sys.exit(f"error: there is no folder of lists {options.lists}")
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure(options.lists, Path(scratch))
    print(f"{cpu_name()}; Python {platform.python_version()}")
    show(rows, options.json)


def measure(lists, root):
    """Return the table's rows: seconds, against LIMIT."""
    folder = root / "train_data"
    folder.mkdir()
    published = [Path(shutil.copy(path, folder)) for path in sorted(lists.glob("*.txt"))]
    trained = "".join(f"{path} {label}\n" for path, label in training_drawings(*COUNTS["Patent"]["train"]))
    (folder / "train_patent_trn.txt").write_text(trained)
    for path in folder.glob("*.txt"):
        make_drawings(folder / "patent_data", path)
    cfg = get_cfg()
    cfg.DATASETS.ROOT = str(root)
    DATASETS.names()  # the modules of the data sets are imported once, outside the times
    seconds = {}
    for _ in range(TURNS):
        lines = timed(seconds, "lines", lambda: [listed(path) for path in published])
        splits = timed(seconds, "DeepPatentTest", lambda: DATASETS.get("DeepPatentTest")(cfg))
        timed(seconds, "Patent", lambda: DATASETS.get("Patent")(cfg))
        count = timed(seconds, "extended", lambda: write_extended_list(folder))[1]
        timed(seconds, "DeepPatentTestExtended", lambda: DATASETS.get("DeepPatentTestExtended")(cfg))
    names = {
        "lines": f"the {len(published)} published lists, {sum(map(len, lines)):,} lines",
        "DeepPatentTest": f"DeepPatentTest, its {len(splits.query) + len(splits.gallery):,} drawings looked for",
        "Patent": "Patent, training drawings too",
        "extended": f"extended list of {count:,} drawings written",
        "DeepPatentTestExtended": "DeepPatentTestExtended",
    }
    targets = {"lines": 1.0, "DeepPatentTest": 1.0}
    return [row(f"s, {names[name]} / {LIMIT:.0f} s", seconds[name], LIMIT, targets.get(name)) for name in seconds]


def listed(path):
    """Return the samples of one list, of drawings that need not be there."""
    return listed_samples(read_lines(path), path, path.parent, verify=False)


def training_drawings(drawings, patents):
    """Yield (path, label) of made-up training drawings, in order, as many a patent as fit."""
    for number in range(drawings):
        label = number * patents // drawings + 1
        patent = f"USD{label:07d}-20180102"
        yield f"I20180102/{patent}/{patent}-D{number % 100000:05d}.png", label


def make_drawings(folder, path):
    """Make an empty file for every line of a list."""
    for _, relative in read_lines(path):
        drawing = folder / relative
        drawing.parent.mkdir(parents=True, exist_ok=True)
        drawing.touch()


if __name__ == "__main__":
    main()
