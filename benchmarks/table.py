"""What every benchmark shares: best times, rows with a target, and the table they make."""

import json
import time

from tabulate import tabulate

NOT_MEASURED = "not measured: needs a CUDA card"


def timed(seconds, name, work):
    """Return work(), and keep under `name` in the dict `seconds` how long its fastest call took."""
    started = time.perf_counter()
    result = work()
    seconds[name] = min(seconds.get(name, float("inf")), time.perf_counter() - started)
    return result


def row(name, ours, theirs, target):
    """Return one row; its target, if it has one, is met where ours / theirs is at most `target`."""
    ratio = ours / theirs
    met = None if target is None else ratio <= target
    return {"name": name, "ours": ours, "theirs": theirs, "ratio": ratio, "target": target, "met": met}


def row_not_measured(name, target):
    """Return the row of something that this machine cannot measure."""
    return {"name": name, "ours": None, "theirs": None, "ratio": None, "target": target, "met": NOT_MEASURED}


def show(rows, json_file=None):
    """Print the rows as a table, and write them to a file as JSON where one is given."""
    words = {True: "yes", False: "no", None: "-"}
    table = [[*line.values()][:5] + [words.get(line["met"], line["met"])] for line in rows]
    print(tabulate(table, list(rows[0]), floatfmt=".3g", missingval="-"))
    if json_file:
        json_file.write_text(json.dumps(rows, indent=1) + "\n")
