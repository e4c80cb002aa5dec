"""Statistics of drawings as files and for a terminal."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fastpatent.data.records import Sample, names_below
from fastpatent.data.statistics import (
    ASPECT,
    COMPONENTS,
    INK_SHARE,
    PER_PATENT,
    PUBLISHED_COMPONENTS,
    QUANTITIES,
    Measures,
    Summary,
    summarise,
)
from fastpatent.data.tables import write_csv
from fastpatent.files import head, write_atomically
from fastpatent.text import escaped

SUMMARY = ("group", "quantity", "number", *Summary._fields)  # columns of the CSV file
HEADINGS = ("median", "5 %", "95 %", "smallest", "largest", "mean")  # of the fields of Summary


def statistics_table(groups: dict[str, dict[str, np.ndarray]]) -> Table:
    """Return a summary of every quantity and group, with the paper's medians.

    Args:
        groups: {name: {quantity: float array}} as from `quantities`.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for heading in ("number", *HEADINGS):
        table.add_column(heading, justify="right", no_wrap=True)
    for quantity in QUANTITIES:
        table.add_section()
        table.add_row(Text(quantity, style="bold"))
        for name, values in groups.items():
            if len(values[quantity]):
                figures = [_number(quantity, figure) for figure in summarise(values[quantity])]
                table.add_row(f"  {name}", f"{len(values[quantity]):,}", *figures)
        for name, median in PUBLISHED_COMPONENTS.items() if quantity == COMPONENTS else ():
            table.add_row(f"  published: {name}", "", f"{median:,}", style="dim")
    return table


def is_summary(path: Path) -> bool:
    """Return whether `write_summaries` has written a file."""
    return head(path).partition(b"\n")[0].strip() == ",".join(SUMMARY).encode()


def write_summaries(groups: dict[str, dict[str, np.ndarray]], path: str | Path) -> None:
    """Write the table as CSV in full precision, one row per group and quantity."""
    rows = [
        [name, quantity, len(values[quantity]), *summarise(values[quantity])]
        for name, values in groups.items()
        for quantity in QUANTITIES
        if len(values[quantity])
    ]
    write_atomically(path, lambda temporary: write_csv(temporary, [SUMMARY, *rows]))


def write_rows(
    samples: Sequence[Sample],
    measures: dict[str, Measures],
    root: str | os.PathLike[str],
    path: str | Path,
) -> None:
    """Write one row per drawing as Parquet: path relative to `root`, identity and Measures.

    Args:
        samples: drawings; those not in `measures` are skipped.
        measures: {path: Measures}.
        root: the folder that paths are relative to.
        path: the file to write.
    """
    samples = [sample for sample in samples if sample.path in measures]
    columns = {
        "drawing": list(map(escaped, names_below(root, samples))),
        "identity": [sample.identity and escaped(sample.identity) for sample in samples],
    }
    for field, kind in Measures.__annotations__.items():
        values = [getattr(measures[sample.path], field) for sample in samples]
        columns[field] = pyarrow.array(values, pyarrow.float64() if kind is float else pyarrow.int32())

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:  # pyarrow takes no name that is not UTF-8
            pyarrow.parquet.write_table(pyarrow.table(columns), file)

    write_atomically(path, write)


def _number(quantity: str, value: float) -> str:
    if quantity == INK_SHARE:
        return f"{100 * value:.2f} %"
    return f"{value:.2f}" if quantity in (ASPECT, PER_PATENT) else f"{value:,.0f}"
