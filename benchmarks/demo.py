"""How long the main job takes on the generated sample: drawing it, two stages of training, tests.

Usage: python benchmarks/demo.py [--json FILE]

Runs the commands of `make demo-pretrained` in a folder of its own and times each. The target is 5 minutes in all on 2 cores,
installation aside.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from tabulate import tabulate

from fastpatent.config import load_config
from fastpatent.device import cpu_name
from fastpatent.models.pretrained_files import pretrained_file

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIGS = REPOSITORY / "configs" / "sample"
TARGET = 300
FIRST, SECOND, TEST = (CONFIGS / f"lite0_sample_{stage}.yml" for stage in ("96", "128", "test"))
UNTRAINED = "MODEL.WEIGHTS", pretrained_file(load_config(FIRST)), "OUTPUT_DIR", "logs/sample/lite0_untrained"
STEPS = {
    "draw the sample": ["-c", "from fastpatent.synthetic.generate import ensure_sample; ensure_sample('datasets')"],
    "train, first stage": [REPOSITORY / "tools/train_net.py", "--config-file", FIRST],
    "train, second stage": [REPOSITORY / "tools/train_net.py", "--config-file", SECOND],
    "test, before training": [REPOSITORY / "tools/test.py", "--config-file", TEST, "--compare", "", *UNTRAINED],
    "test": [REPOSITORY / "tools/test.py", "--config-file", TEST],
}


def main():
    """Run the steps, print the table, and write its rows as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in STEPS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *map(str, arguments)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            rows.append({"name": name, "seconds": time.perf_counter() - started})
        if not (Path(folder) / "result.npy").is_file():
            sys.exit("error: the test wrote no result.npy")
    total = sum(row["seconds"] for row in rows)
    rows.append({"name": "from nothing to result.npy", "seconds": total, "target": TARGET, "met": total <= TARGET})
    print(f"{cpu_name()}; torch {torch.__version__}, Python {platform.python_version()}")
    print(tabulate([list(row.values()) for row in rows], headers=["step", "seconds", "target", "met"], floatfmt=".0f"))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
