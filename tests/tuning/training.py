"""Stands in for `fastpatent train`, without torch: three epochs whose metric is the learning rate times the epoch.

It goes on from its history as a resumed run does. A rate below 0.2 waits after its first epoch to be stopped, one above 0.9
fails with the sentence in the environment's FAILURE.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import yaml


def stop(*_):
    sys.exit(130)


signal.signal(signal.SIGTERM, stop)
settings = yaml.safe_load(Path(sys.argv[sys.argv.index("--config-file") + 1]).read_text())
folder, rate = Path(settings["OUTPUT_DIR"]), settings["SOLVER"]["BASE_LR"]
with open(folder / "starts", "a") as file:
    print(os.environ.get("CUDA_VISIBLE_DEVICES"), time.monotonic(), settings.get("SEED"), file=file)
(folder / "model_0000.pth").touch()
history = folder / "history.jsonl"
begun = len(history.read_text().splitlines()) if history.exists() else 0
if rate > 0.9 and "FAILURE" in os.environ:
    sys.exit(f"warning: never mind\nerror: {os.environ['FAILURE']}")
for epoch in range(begun + 1, 4):
    with open(history, "a") as file:
        print(json.dumps({"epoch": epoch, "tests": {"Drawings": {"mAP": rate * epoch / 3}}}), file=file)
    while rate < 0.2 and not begun:
        time.sleep(0.01)
