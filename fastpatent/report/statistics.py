"""Statistics of drawings as files and for a terminal."""

import csv

import pyarrow
import pyarrow.parquet
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fastpatent.data.samples import names_below
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
from fastpatent.files import write_atomically

HEADINGS = ("median", "5 %", "95 %", "smallest", "largest", "mean")  # of the fields of Summary


def statistics_table(groups):
    """Lay out a summary of every quantity and group, with the medians that the paper gives beside them.

    Args:
        groups: {name: {quantity: float array}} as from `quantities`.

    Returns:
        rich Table.
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
                table.add_row(Text(f"  {name}"), f"{len(values[quantity]):,}", *figures)
        for name, median in PUBLISHED_COMPONENTS.items() if quantity == COMPONENTS else ():
            table.add_row(Text(f"  published: {name}"), "", f"{median:,}", style="dim")
    return table


def write_summaries(groups, path):
    """Write what the table shows, in full precision, as CSV: one row a group and quantity."""

    def write(temporary):
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["group", "quantity", "number", *Summary._fields])
            for name, values in groups.items():
                for quantity in filter(lambda quantity: len(values[quantity]), QUANTITIES):
                    rows.writerow([name, quantity, len(values[quantity]), *summarise(values[quantity])])

    write_atomically(path, write)


def write_rows(samples, measures, root, path):
    """Write what was measured of every drawing as Parquet: its path below `root`, identity and Measures.

    Args:
        samples: list of Sample; those that are not in `measures` are left out.
        measures: {path: Measures}.
        root: the folder that paths are told from.
        path: the file to write.
    """
    samples = [sample for sample in samples if sample.path in measures]
    columns = {"drawing": names_below(root, samples), "identity": [sample.identity for sample in samples]}
    for field, kind in Measures.__annotations__.items():
        values = [getattr(measures[sample.path], field) for sample in samples]
        columns[field] = pyarrow.array(values, pyarrow.float64() if kind is float else pyarrow.int32())
    write_atomically(path, lambda temporary: pyarrow.parquet.write_table(pyarrow.table(columns), temporary))


def _number(quantity, value):
    if quantity == INK_SHARE:
        return f"{100 * value:.2f} %"
    return f"{value:.2f}" if quantity in (ASPECT, PER_PATENT) else f"{value:,.0f}"
