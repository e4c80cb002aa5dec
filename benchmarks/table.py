"""What every benchmark shares: best times, rows with a target, and the table they make."""

import json
import time

from tabulate import tabulate

NOT_MEASURED = "not measured: needs a CUDA GPU"


def timed(seconds, name, work):
    """Return work(), and store under `name` in the dict `seconds` how long its fastest call took."""
    started = time.perf_counter()
    result = work()
    seconds[name] = min(seconds.get(name, float("inf")), time.perf_counter() - started)
    return result


def row(name, ours, theirs, target):
    """Return one row; its target, if it has one, is met where ours / theirs is at most `target`."""
    met = None if target is None else ours / theirs <= target
    return _row(name, ours, theirs, ours / theirs, target, met, "<=")


def faster(name, ours, theirs, target):
    """Return one row of two durations; its target, if it has one, is met where theirs / ours is at least `target`."""
    met = None if target is None else theirs / ours >= target
    return _row(name, ours, theirs, theirs / ours, target, met, ">=")


def alone(name, ours):
    """Return one row of a duration that is compared with nothing."""
    return _row(name, ours, None, None, None, None, "")


def not_measured(name, target, sense=">="):
    """Return the row of something that this machine cannot measure."""
    return _row(name, None, None, None, target, NOT_MEASURED, sense)


def _row(name, ours, theirs, ratio, target, met, sense):
    return {"name": name, "ours": ours, "theirs": theirs, "ratio": ratio, "target": target, "met": met, "sense": sense}


def add_size_options(parser, images, steps):
    """Add --images N, --steps N and --ours-only to an argparse parser; `images` and `steps` say what the numbers are."""
    parser.add_argument("--images", type=int, metavar="N", help=images)
    parser.add_argument("--steps", type=int, metavar="N", help=steps)
    parser.add_argument("--ours-only", action="store_true", help="measure no other side")


def show(rows, json_file=None):
    """Print the rows as a table, and write them to a file as JSON where one is given."""
    words = {True: "yes", False: "no", None: "-"}
    table = []
    for line in rows:
        target = "-" if line["target"] is None else f"{line['sense']} {line['target']:.3g}"
        table.append(
            [line[key] for key in ("name", "ours", "theirs", "ratio")] + [target, words.get(line["met"], line["met"])]
        )
    print(tabulate(table, ["name", "ours", "theirs", "ratio", "target", "met"], floatfmt=".3g", missingval="-"))
    if json_file:
        json_file.write_text(json.dumps(rows, indent=1) + "\n")
