"""Folders of runs that nobody has trained."""

import json

from fastpatent.config import load_config
from fastpatent.config.in_use import MARK
from fastpatent.config.report import describe

SETS = ["DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)"]


def write_run(folder, *settings, maps=(0.2, 0.6, 0.4), **record):
    """Write the folder of a run with one epoch for each mAP; `record` goes into its run.json."""
    folder.mkdir(parents=True)
    cfg = load_config(overrides=[*SETS, "OUTPUT_DIR", str(folder), "SOLVER.MAX_EPOCH", "3", *settings])
    (folder / "config.yaml").write_text(f"{MARK}\n{describe(cfg).yaml}")
    whole = {"state": "finished", "reason": "", "started": "2026-01-01T10:00:00+00:00", "ended": "2026-01-01T11:00:00+00:00"}
    (folder / "run.json").write_text(json.dumps({**whole, "device": "cpu (a CPU)", "processes": 1, **record}))
    lines = [
        {
            "epoch": epoch, "iteration": epoch * 4, "seconds": 60.0, "images_per_second": 10.0 * epoch, "lr": 0.1,
            "losses": {"total": 3.0 / epoch}, "tests": {"Drawings": {"mAP": value, "Acc@1": value / 2, "queries": 6}},
            "intervals": {"Drawings": {"mAP": [value - 0.1, value + 0.1]}},
        }
        for epoch, value in enumerate(maps, 1)
    ]  # fmt: skip
    (folder / "history.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder
