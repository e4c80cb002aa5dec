"""`fastpatent runs`: all training runs below some folders in one table."""

import io
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from fastpatent import log
from fastpatent.commands.options import Parser
from fastpatent.engine.run_list import Row, column_named, find_runs, matching, row_of, sorted_by
from fastpatent.files import check_output, head, write_atomically
from fastpatent.report.runs import FIRST, FORMATS, all_columns, runs_table, shown_columns, write_runs
from fastpatent.text import one_line

FAULTS = 5  # folders that cannot be read and are named
LONGEST_FAULT = 200
OURS = re.compile(rb'run,state|\| run \| state|run +state|\[\n \{\n  "run": |\[\]\n')  # so begin the files that it writes
logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, read and show; return the exit status."""
    parser = Parser(
        prog="fastpatent runs",
        description="Show every training run below some folders: the settings in which they differ, metrics with intervals, "
        "epochs, time, speed, and how they ended.",
    )
    parser.add_argument("folders", metavar="FOLDER", nargs="+", help="folder of a run, or of runs at any depth")
    what = "a condition, as MODEL.BACKBONE.DEPTH=50x, mAP>0.5, state!=failed; several must all hold"
    parser.add_argument("--where", action="append", default=[], metavar="CONDITION", help=what)
    parser.add_argument("--sort", metavar="COLUMN", help="metrics the best first, all else from small to large")
    parser.add_argument(
        "--columns", metavar="A,B,...", help="what is shown beside run and state: keys, metrics, epochs, ..."
    )
    parser.add_argument("--format", choices=FORMATS, default="table", help="default table; csv and json have all metrics")
    parser.add_argument("--output", metavar="FILE", help="write it into a file instead")
    args = parser.parse_args(argv)
    log.start()
    output = check_output(args.output, "--output", _is_ours) if args.output else None
    runs, faults = find_runs(args.folders)
    base = os.path.commonpath([os.path.abspath(folder) for folder in args.folders])
    every = [row_of(run, _name(run.folder, base)) for run in runs]
    rows = matching(every, args.where)
    if args.sort:
        rows = sorted_by(rows, column_named(args.sort, every, "--sort"))
    _show(rows, _columns(args.columns, every, rows, args.format), args.format, output, not args.columns)
    _report(len(every) - len(rows), faults)
    return 0


def _columns(asked: str | None, every: Sequence[Row], rows: Sequence[Row], form: str) -> list[str]:
    if asked is None:
        return all_columns(rows) if form in ("csv", "json") else shown_columns(rows)
    named = [column_named(word.strip(), every, "--columns") for word in asked.split(",") if word.strip()]
    return list(dict.fromkeys([*FIRST, *named]))


def _show(rows: Sequence[Row], columns: Sequence[str], form: str, output: Path | None, fitted: bool) -> None:
    if output is None and form == "table":
        logger.info(runs_table(rows, columns, log.terminal().width if fitted else 0))
        return
    text = io.StringIO()
    write_runs(text, rows, columns, form)
    if output is None:
        sys.stdout.write(text.getvalue())
        return
    data = text.getvalue().encode(errors="backslashreplace")
    write_atomically(output, lambda temporary: temporary.write_bytes(data))
    logger.info(f"written: {output}, {len(rows)} runs")


def _report(excluded: int, faults: Sequence[str]) -> None:
    """Log how many runs are not shown, and why; to standard error, as the table may be read by a program."""
    if excluded:
        logger.warning(f"{excluded} more runs are not as --where asks")
    for fault in faults[:FAULTS]:
        logger.warning(f"skipped: {one_line(fault, LONGEST_FAULT)}")
    if len(faults) > FAULTS:
        logger.warning(f"skipped: {len(faults) - FAULTS} more folders that cannot be read as runs")


def _name(folder: Path, base: str) -> str:
    """Return the path of a run below the folders that were named; of the only one of them its name."""
    name = os.path.relpath(os.path.abspath(folder), base)
    return os.path.basename(base) if name == "." else name


def _is_ours(path: Path) -> bool:
    return bool(OURS.match(head(path)))
