"""Runs side by side: as a table for a terminal, Markdown, CSV and JSON."""

import json
from collections.abc import Sequence
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fastpatent.config.keys import KEYS
from fastpatent.config.report import short_value
from fastpatent.data.tables import print_csv
from fastpatent.engine.run_list import ABOUT, Row, differing_keys, metric_columns
from fastpatent.evaluation.intervals import Figure
from fastpatent.log import PlainConsole
from fastpatent.progress import clock
from fastpatent.report.markdown import escape_markdown, markdown_table
from fastpatent.report.tables import SHORT, interval_text
from fastpatent.text import short_line

FORMATS = ("table", "markdown", "csv", "json")
FIRST = ("run", "state")  # the columns that every table begins with
WIDEST = {"run": 24, "why": 30, "started": 25, "ended": 25}  # letters of a column of a terminal; others have MOST_WIDE
MOST_WIDE = 18
NO_LIMIT = 2**14  # letters of a line of a file
GAP = 2  # spaces between two columns
UNKNOWN = "-"
HEADINGS = {"seconds": "time"}


def shown_columns(rows: Sequence[Row]) -> list[str]:
    """Return the columns of a table of all that matters, the more important ones first.

    Run, state and why; mAP, Acc@1 and recalls of texts; the keys in which the runs differ; epochs, time, speed, when it was
    measured, device.
    """
    metrics = [name for name in metric_columns(rows) if name.partition("/")[2] in (*SHORT[:2], SHORT[-1])]
    keys = differing_keys(rows)
    columns = [*FIRST, "why", *metrics, *keys, "epochs", "seconds", "images/s", "measured", "device"]
    return [name for name in columns if name in FIRST or any(name in row.values for row in rows)]


def all_columns(rows: Sequence[Row]) -> list[str]:
    """Return the columns of a file for programs: the same, and all metrics and ABOUT."""
    return [*ABOUT, *metric_columns(rows), *differing_keys(rows)]


def runs_table(rows: Sequence[Row], columns: Sequence[str], width: int = 0) -> Table:
    """Lay out runs for a terminal; below each metric is its interval.

    Args:
        width: letters of a line; the columns that do not fit into it are named below the table, the last ones first. 0: all
            columns are shown.
    """
    headings = short_headings(columns)
    cells = {name: [_cell(row, name) for row in rows] for name in columns}
    fitting = _fitting(columns, headings, cells, width) if width else len(columns)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for name in columns[:fitting]:
        number = _is_number(rows, name)
        most = WIDEST.get(name, MOST_WIDE)
        table.add_column(headings[name], justify="right" if number else "left", overflow="fold", max_width=most)
    for number in range(len(rows)):
        table.add_row(*(Text(cells[name][number]) for name in columns[:fitting]))
    if fitting < len(columns):
        hidden = ", ".join(map(short_line, columns[fitting:]))
        table.caption = Text(f"no room for {hidden}: choose by --columns, or write --format csv")
        table.caption_justify, table.caption_style = "left", ""
    return table


def _fitting(columns: Sequence[str], headings: dict[str, str], cells: dict[str, list[str]], width: int) -> int:
    """Return how many of the columns fit into a line."""
    used = 0
    for number, name in enumerate(columns):
        longest = max(len(line) for text in (headings[name], *cells[name]) for line in text.split("\n"))
        used += min(longest, WIDEST.get(name, MOST_WIDE)) + (GAP if number else 0)
        if used > width:
            return max(number, 1)
    return len(columns)


def short_headings(columns: Sequence[str]) -> dict[str, str]:
    """Return {column: heading}: of a key its shortest end that no other key has, of a metric of one column its name."""
    headings = {}
    for name in columns:
        mark, others = (".", [*KEYS]) if name in KEYS else ("/", [*columns])
        parts = [name] if name in ABOUT else name.split(mark)
        ends = (mark.join(parts[-count:]) for count in range(1, len(parts)))
        alone = (end for end in ends if sum(f"{mark}{other}".endswith(f"{mark}{end}") for other in others) == 1)
        headings[name] = short_line(HEADINGS.get(name) or next(alone, name))
    return headings


def write_runs(file: TextIO, rows: Sequence[Row], columns: Sequence[str], form: str) -> None:
    """Write runs into an open file as Markdown, CSV, JSON or, without colours, the table of a terminal.

    Columns of CSV and JSON have full names and full precision; beside a metric are `<metric> low` and `<metric> high`.
    """
    if form == "table":
        PlainConsole(file=file, width=NO_LIMIT, no_color=True).print(runs_table(rows, columns))
    elif form == "markdown":
        headings = short_headings(columns)
        cells = [[escape_markdown(_cell(row, name).replace("\n", " ")) for name in columns] for row in rows]
        file.write(markdown_table([headings[name] for name in columns], cells, [_is_number(rows, name) for name in columns]))
        file.write("\n")
    else:
        fields = [field for name in columns for field in _fields(rows, name)]
        records = [dict(zip(fields, (value for name in columns for value in _values(rows, row, name)))) for row in rows]
        if form == "json":
            file.write(json.dumps(records, indent=1) + "\n")
        else:
            print_csv(file, [fields, *(map(_flat, record.values()) for record in records)])


def _fields(rows: Sequence[Row], name: str) -> list[str]:
    has_interval = any(name in row.intervals for row in rows)
    return [name, *([f"{name} low", f"{name} high"] if has_interval else [])]


def _values(rows: Sequence[Row], row: Row, name: str) -> list[Any]:
    ends = row.intervals.get(name, (None, None))
    return [row.values.get(name), *ends][: len(_fields(rows, name))]


def _flat(value: Any) -> Any:
    return short_value(value) if isinstance(value, (list, tuple, bool)) else value


def _is_number(rows: Sequence[Row], name: str) -> bool:
    values = [row.values.get(name) for row in rows]
    return all(isinstance(value, (int, float, type(None))) and not isinstance(value, bool) for value in values)


def _cell(row: Row, name: str) -> str:
    """Return a value as a person reads it; that of a metric has a second line with its interval."""
    value = row.values.get(name)
    if value is None:
        return UNKNOWN
    if name == "epochs":
        return f"{value}/{row.values['SOLVER.MAX_EPOCH']}"
    if name == "seconds":
        return clock(value)
    if name == "images/s":
        return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
    if name in ABOUT or name in KEYS:
        return short_line(short_value(value))
    figure = f"{value:.4f}"
    if name in row.intervals:
        return f"{figure}\n{interval_text(Figure(value, *row.intervals[name]))}"
    return figure
