"""The metrics that a test has measured, as plain values, and the file that remembers them: results.json in OUTPUT_DIR."""

import json
import math
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from fastpatent import __version__
from fastpatent.evaluation.pipeline import SetResult
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.files import check_output, read_regular, sha256_of, write_atomically

RESULTS = "results.json"
MOST_RESULTS = 2**24  # bytes; a row of a table has some 1,000


def figures(results: Sequence[SetResult]) -> dict[str, Any]:
    """Return what a configuration achieves as plain JSON values.

    Returns:
        {tests: {test set: {metric: mean}}, intervals: {test set: {metric: [low, high]}}}: of the last evaluation of each
        set; nothing of sets without labels, None for NaN.
    """
    measured = [result for result in results if result.summary]
    return {
        "tests": {result.splits.name: _numbers(result.summary) for result in measured},
        "intervals": {result.splits.name: _intervals(result.evaluations[-1]) for result in measured},
    }


def check_results(folder: str | os.PathLike[str]) -> Path:
    """Return the path of results.json; DataError where it cannot be written, or is there and no test wrote it."""
    return check_output(Path(folder) / RESULTS, "the results", lambda path: "fastpatent" in read_results(path.parent))


def write_results(cfg: CfgNode, results: Sequence[SetResult], every: Sequence[SetResult]) -> Path:
    """Write results.json into OUTPUT_DIR, see `check_results`; return its path.

    Its keys: date; weights, their path, and sha256; `tests` and `intervals` as of `figures`, of what the configuration asks
    for; rows: [{test_set, system, metrics, intervals}] of all evaluations in their order, with the same plain values.

    Args:
        results: of the configuration, one of each test set.
        every: these, and those of the systems that it is compared with.
    """
    weights = "" if cfg.DESCRIPTOR.NAME or cfg.TEST.ENSEMBLE.CONFIGS else cfg.MODEL.WEIGHTS
    rows = [
        {"test_set": of.splits.name, "system": of.name, "metrics": _numbers(of.summary), "intervals": _intervals(of)}
        for result in every
        for of in result.evaluations
    ]
    record = {
        "fastpatent": __version__,
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "weights": weights,
        "sha256": sha256_of(weights) if weights else None,
        **figures(results),
        "rows": rows,
    }
    path = Path(cfg.OUTPUT_DIR) / RESULTS
    write_atomically(path, lambda temporary: temporary.write_text(json.dumps(record, indent=1), encoding="utf-8"))
    return path


def read_results(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what `write_results` wrote into a folder; OSError or ValueError where it cannot be read."""
    found = json.loads(read_regular(Path(folder) / RESULTS, MOST_RESULTS))
    if not isinstance(found, dict):
        raise ValueError("it is no record of results")
    return found


def _numbers(summary: dict[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in summary.items()}


def _intervals(evaluation: Evaluation) -> dict[str, list[float | None]]:
    return {name: [_number(figure.low), _number(figure.high)] for name, figure in evaluation.figures.items()}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value  # JSON has no NaN
