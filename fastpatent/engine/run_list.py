"""Every run below some folders, with the values by which they are compared: settings, metrics, time, speed, state."""

import math
import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any, NamedTuple

from fastpatent.config.defaults import get_cfg
from fastpatent.config.in_use import BEST, CONFIG, FINAL
from fastpatent.config.keys import KEYS
from fastpatent.config.keys.evaluation import AUTO
from fastpatent.config.names import leaves, nearest_key
from fastpatent.config.report import short_value
from fastpatent.engine.checkpoint import LAST
from fastpatent.engine.run_record import RUN, RUNNING, Run, is_run, read_run
from fastpatent.errors import ConfigError, DataError, nearest
from fastpatent.evaluation.results import read_results
from fastpatent.registry import METRICS

PLACE = ("OUTPUT_DIR",)  # keys that differ between any two runs
ABOUT = (
    "run",
    "state",
    "why",
    "measured",
    "epochs",
    "seconds",
    "images/s",
    "device",
    "processes",
    "started",
    "ended",
    "commit",
)
CONDITION = re.compile(r"(.+?)(!=|<=|>=|=|<|>)(.*)", re.DOTALL)
LARGEST = 1e300  # of a number that is compared; Python's whole numbers have no end
COUNTS = ("queries", "unmatched")  # in a summary, and no metrics


class Row(NamedTuple):
    """One run as a row of a table.

    Attributes:
        values: {column: number, text or list}: ABOUT, the dotted keys of the configuration, and TEST SET/METRIC; one that is
            not known is missing.
        intervals: {TEST SET/METRIC: (low, high)}, 95%.
        test_set: the first, on which the best checkpoint is chosen; "" where nothing is measured.
    """

    values: dict[str, Any]
    intervals: dict[str, tuple[float, float]]
    test_set: str


def find_runs(folders: Iterable[str | os.PathLike[str]]) -> tuple[list[Run], list[str]]:
    """Return (the runs at and below some folders, in the order of their paths; a sentence for each that cannot be read).

    Links are not followed.

    Raises:
        DataError: there is no such folder, or no run at all.
    """
    runs, faults = {}, []
    for folder in folders:
        if not os.path.isdir(folder):
            raise DataError(f"{folder}: there is no such folder of runs")
        for here, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if not name.startswith("."))
            if not ({RUN, LAST, BEST, FINAL} & {*files} or CONFIG in files and is_run(here)):
                continue
            try:
                runs.setdefault(os.path.realpath(here), read_run(here))
            except DataError as error:
                faults.append(str(error))
    if not runs and not faults:
        raise DataError(f"{', '.join(map(str, folders))}: there is no run in this folder or below")
    return list(runs.values()), faults


def row_of(run: Run, name: str) -> Row:
    """Return a run as a row; its metrics are of the last test where that is newer than the training, else of the best epoch.

    The best epoch is that of model_best.pth: of the best TEST.BEST_METRIC on the first test set.
    """
    record, history = run.record, run.history
    measured, tests, intervals = _measured(run)
    speeds = [speed for line in history if (speed := _number(line.get("images_per_second"))) is not None]
    known = {
        "run": name,
        "state": run.state,
        "why": run.reason or None,
        "measured": measured,
        "epochs": history[-1]["epoch"] if history else None,
        "seconds": sum(filter(None, (_number(line.get("seconds")) for line in history))) if history else None,
        "images/s": median(speeds) if speeds else None,
        "commit": commit[:12] if isinstance(commit := _part(record, "git").get("commit"), str) else None,
        **{name: record.get(name) for name in ("device", "processes", "started", "ended")},
    }
    figures = {
        f"{test_set}/{metric}": number
        for test_set, summary in tests.items()
        for metric, value in _part(tests, test_set).items()
        if (number := _number(value)) is not None
    }
    values = {name: value for name, value in known.items() if isinstance(value, (str, int, float))}
    ends = {
        column: _interval(_part(intervals, column.partition("/")[0]).get(column.partition("/")[2])) for column in figures
    }
    settings = dict(leaves(get_cfg())) | {key: value for key, value in run.config.items() if key in KEYS}
    found = {column: pair for column, pair in ends.items() if pair}
    return Row(values | settings | figures, found, next(iter(tests), ""))


def _measured(run: Run) -> tuple[str | None, dict[str, Any], dict[str, Any]]:
    """Return (when the metrics of a run were measured, {test set: {metric: value}}, intervals alike)."""
    try:
        results = read_results(run.folder)
        trained = run.record.get("ended") or run.record.get("started")
        newer = run.state != RUNNING and _time(results.get("date")) >= _time(trained)
    except (OSError, ValueError, RecursionError, TypeError):
        results, newer = {}, False
    if newer and _part(results, "tests"):
        return "test", _part(results, "tests"), _part(results, "intervals")
    name = best_metric_of(run)
    best, best_value = None, math.nan
    for line in run.history:
        tests = _part(line, "tests")
        value = _number(_part(tests, next(iter(tests), "")).get(name))
        if tests and (best is None or value is not None and _is_better(name, value, best_value)):
            best, best_value = line, math.nan if value is None else value
    if best is None:
        return None, {}, {}
    return f"epoch {best['epoch']}", _part(best, "tests"), _part(best, "intervals")


def best_metric_of(run: Run) -> str:
    """Return the name of the metric that has chosen the best checkpoint of a run."""
    names = run.config.get("TEST.BEST_METRIC")
    if isinstance(names, list) and names and names != [AUTO]:
        return str(names[0]) if len(names) == 1 else f"mean of {', '.join(map(str, names))}"
    of_texts = any("mean-R" in _part(_part(line, "tests"), name) for line in run.history for name in _part(line, "tests"))
    return "mean-R" if of_texts else "mAP"


def greater_is_better(metric: str) -> bool:
    """Return the direction of a metric; True of one that is not registered here."""
    of = METRICS.all().get(metric)
    return of is None or of.greater_is_better


def _is_better(metric: str, value: float, best: float) -> bool:
    return math.isnan(best) or (value > best if greater_is_better(metric) else value < best)


def _time(text: object) -> datetime:
    """Return a time of a record; the first of all where it has none."""
    return datetime.fromisoformat(str(text)) if text else datetime(1970, 1, 1, tzinfo=UTC)


def _part(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the dict of that name in what a file held; empty where there is none."""
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return value if abs(value) < LARGEST else None


def _interval(pair: object) -> tuple[float, float] | None:
    ends = [_number(end) for end in pair] if isinstance(pair, list) else []
    return (ends[0], ends[1]) if len(ends) == 2 and None not in ends else None  # pyright: ignore[reportReturnType]


def differing_keys(rows: Sequence[Row]) -> list[str]:
    """Return the keys whose values are not the same in all rows, in the order of the configuration."""
    first = rows[0].values if rows else {}
    keys = (key for key in KEYS if key not in PLACE and not KEYS[key].ignored)
    return [key for key in keys if any(same_text(row.values[key]) != same_text(first[key]) for row in rows)]


def metric_columns(rows: Sequence[Row]) -> list[str]:
    """Return the TEST SET/METRIC of all rows, in their order, without counts."""
    found = dict.fromkeys(name for row in rows for name in row.values if "/" in name and name not in ABOUT)
    return [name for name in found if name.partition("/")[2] not in COUNTS]


def column_named(word: str, rows: Sequence[Row], option: str) -> str:
    """Return the column that a user means: a key, its end (DEPTH), TEST SET/METRIC, METRIC or one of ABOUT.

    Raises:
        ConfigError: there is none, with the nearest; or several.
    """
    metrics = metric_columns(rows)
    names = [*ABOUT, *KEYS, *metrics]
    if word in names:
        return word
    short = [name for name in metrics if name.partition("/")[2] == word]
    found = short or [name for name in KEYS if name.endswith(f".{word.upper()}")]
    if len(found) == 1:
        return found[0]
    if short:
        first = [name for name in short if name.startswith(f"{rows[0].test_set}/")]
        if first and len({row.test_set for row in rows}) == 1:
            return first[0]
    if found:
        raise ConfigError(f"{option}: {word} may be {' or '.join(found[:5])}; write which")
    if word.isupper() or "." in word:
        raise ConfigError(f"{option}: {word} is no key{nearest_key(word, get_cfg())}")
    short_names = dict.fromkeys(name.partition("/")[2] for name in metrics)
    raise ConfigError(f"{option}: no column is called {word}{nearest(word, [*ABOUT, *short_names])}")


def matching(rows: Sequence[Row], conditions: Iterable[str], option: str = "--where") -> list[Row]:
    """Return the rows that fulfil all conditions: COLUMN=VALUE, !=, <, >, <= or >=.

    A value that is not known equals nothing and is neither smaller nor greater.

    Raises:
        ConfigError: as `column_named`; or a condition is none, or compares what is no number.
    """
    chosen = [*rows]
    for condition in conditions:
        match = CONDITION.fullmatch(condition)
        if not match:
            raise ConfigError(f"{option}: {condition} is no condition; write MODEL.BACKBONE.DEPTH=50x or mAP>0.5")
        column, sign, wanted = column_named(match[1].strip(), rows, option), match[2], match[3].strip()
        chosen = [row for row in chosen if _fulfils(row.values.get(column), sign, wanted, f"{option}: {condition}")]
    return chosen


def _fulfils(value: Any, sign: str, wanted: str, named: str) -> bool:
    if sign in ("=", "!="):
        return (value is not None and same_text(value) == same_text(wanted)) == (sign == "=")
    try:
        limit = float(wanted)
    except ValueError:
        raise ConfigError(f"{named}: {wanted or 'nothing'} is no number, which {sign} compares with") from None
    if value is None:
        return False
    number = _number(value)
    if number is None:
        raise ConfigError(f"{named}: {short_value(value)} of a run is no number, which {sign} compares")
    return {"<": number < limit, ">": number > limit, "<=": number <= limit, ">=": number >= limit}[sign]


def same_text(value: Any) -> str:
    """Return one text for all ways to write a value: [96, 96] and "(96,96)", 1e-3 and 0.001."""
    text = ",".join(map(same_text, value)) if isinstance(value, (list, tuple)) else str(value)
    text = re.sub(r"""[\s\[\]()'"]""", "", text).strip(",").casefold()
    if "," in text:
        return ",".join(map(same_text, text.split(",")))
    try:
        return repr(float(text))
    except ValueError:
        return text


def sorted_by(rows: Sequence[Row], column: str) -> list[Row]:
    """Return the rows by a column: metrics the best first, all else from small to large; what is not known comes last."""
    best_first = "/" in column and column not in ABOUT and greater_is_better(column.partition("/")[2])

    def place(row: Row) -> tuple[bool, float, str]:
        value = row.values.get(column)
        number = _number(value)
        return value is None, (-number if best_first else number) if number is not None else math.inf, short_value(value)

    return sorted(rows, key=place)
