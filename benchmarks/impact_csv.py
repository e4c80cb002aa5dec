"""Reading IMPACT's CSV files: what a run waits for before it can start, and the memory that it takes.

Usage: python benchmarks/impact_csv.py [--patents N] [--json FILE]

A CSV file of N patents is written to a scratch folder, in rows of the length of IMPACT's (its claims, searched classes and
texts included), and read as the data set `Impact`. Some millions of sheets are not made: the listings of their folders are
made up, and what listing real folders costs is measured on REAL of them. Memory is what the process grew by, at its highest
and with only the samples left; the difference is what reading takes beyond what it returns.
"""

import argparse
import csv
import gc
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

from table import row, show

from fastpatent.data.datasets.impact import split_patents
from fastpatent.data.impact.sheets import SheetFinder
from fastpatent.device import cpu_name

SHEETS = 7  # besides the front page; IMPACT has 3.61 million figures of half a million patents
REAL = 5000  # patents whose folders are made and listed
COLUMNS = "title,id,claim,date,class,class_search,inv_country,no_figs,sheets,file_names,fig_desc,caption".split(",")
MEGABYTE = 2**20


def main():
    """Measure, print the table, and write its rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patents", type=int, metavar="N", default=500_000, help="rows of the CSV file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    options = parser.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("error: memory is read from /proc, which only Linux has")
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure(Path(scratch), options.patents)
    print(f"{cpu_name()}; Python {platform.python_version()}")
    show(rows, options.json)


def measure(root, patents):
    """Return the table's rows."""
    path = root / "2021.csv"
    write_table(path, patents)
    size = path.stat().st_size / MEGABYTE
    listing = listing_seconds(root / ".real")
    before = memory("VmRSS")
    started = time.perf_counter()
    with mock.patch("os.listdir", made_up_listing):
        splits = split_patents(str(root), "caption", 0.2, 0)
    seconds = time.perf_counter() - started
    peak = memory("VmHWM") - before
    samples = sum(map(len, (splits.train, splits.query, splits.gallery)))
    gc.collect()
    held = memory("VmRSS") - before
    return [
        row(f"s, {patents:,} rows to {samples:,} samples / 60 s", seconds, 60.0, None),
        row(f"s, listing as many real folders (from {REAL:,}) / 60 s", listing * patents, 60.0, None),
        row("MiB at its highest / of the samples", peak, held, 1.25),
        row("MiB at its highest / of the CSV file", peak, size, None),
    ]


def name_of(number):
    """Return the name of the patent of a row."""
    return f"USD{number:07d}-20210105"


def write_table(path, patents):
    """Write the CSV file."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(patents):
            writer.writerow(
                [
                    f"Display screen or portion thereof, embodiment {number}",
                    f"D{number:07d}",
                    "The ornamental design for a display screen or portion thereof, as shown and described.",
                    "20210105",
                    f"D{number % 34 + 1:2d}486,D14487",
                    [f"D14{486 + cited % 9}" for cited in range(40)],
                    "US,US",
                    SHEETS,
                    SHEETS,
                    [f"{name_of(number)}-D{sheet:05d}.TIF" for sheet in range(SHEETS + 1)],
                    [f"FIG. {figure} is a view of a display screen thereof;" for figure in range(1, SHEETS + 1)],
                    f"The image is a drawing of a display screen, number {number}. " + "Its purpose is to show it. " * 12,
                ]
            )


def made_up_listing(folder):
    """Stand in for os.listdir: the sheets of the patent that the folder is named for; the CSV file of the folder above."""
    patent = os.path.basename(folder)
    if patent.startswith("USD"):
        return [f"{patent}-D{sheet:05d}.TIF" for sheet in range(SHEETS + 1)]
    return ["2021.csv"]


def listing_seconds(folder):
    """Return what finding the sheets of a patent takes, folders of real files being listed."""
    sheets = {}
    for number in range(REAL):
        patent = name_of(number)
        (folder / patent).mkdir(parents=True)
        sheets[patent] = [f"{patent}-D{sheet:05d}.TIF" for sheet in range(SHEETS + 1)]
        for sheet in sheets[patent]:
            (folder / patent / sheet).touch()
    finder = SheetFinder(str(folder))
    started = time.perf_counter()
    for patent, names in sheets.items():
        finder.find(patent, names)
    return (time.perf_counter() - started) / REAL


def memory(name):
    """Return a figure of /proc/self/status in MiB: VmRSS now, VmHWM at its highest."""
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024


if __name__ == "__main__":
    main()
