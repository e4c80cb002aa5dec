"""How long the main job takes on the generated sample: drawing it, two stages of training, test.

Usage: python benchmarks/demo.py [--json FILE]

Runs the commands of `make demo` in a folder of its own and times each. The target is 5 minutes in all on 2 cores,
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

from fastpatent.device import cpu_name

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIGS = REPOSITORY / "configs" / "sample"
TARGET = 300
STEPS = {
    "draw the sample": ["-c", "from fastpatent.synthetic import ensure_sample; ensure_sample('datasets')"],
    "train, first stage": [REPOSITORY / "tools/train_net.py", "--config-file", CONFIGS / "sbs_R18-ibn_sample_48.yml"],
    "train, second stage": [REPOSITORY / "tools/train_net.py", "--config-file", CONFIGS / "sbs_R18-ibn_sample_64.yml"],
    "test": [
        REPOSITORY / "tools/test.py", "--config-file", CONFIGS / "sbs_R18-ibn_sample_test.yml", "--eval-only",
        "--compare", "pixels,hog",
    ],
}  # fmt: skip


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
