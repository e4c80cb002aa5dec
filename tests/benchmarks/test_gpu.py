"""The script for a machine with one GPU: every step runs here at toy size, and what travels there comes back whole."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from fastpatent.config import load_config
from fastpatent.data.image_source import build_decode


@pytest.mark.slow
def test_every_step_runs_on_a_cpu(repository, tmp_path):
    environment = {**os.environ, "PYTHON": sys.executable, "OUT": str(tmp_path), "TOTAL": "1500"}
    script = str(repository / "benchmarks" / "gpu" / "run.sh")
    finished = subprocess.run([script, "--dry"], env=environment, capture_output=True, text=True, timeout=1600)
    summary = (tmp_path / "summary.txt").read_text()
    assert finished.returncode == 0 and not finished.stderr, finished.stdout + finished.stderr
    steps = dict(re.findall(r"^(\w+) +(.*?) +\d+ s$", summary, re.MULTILINE))
    assert steps == {
        **dict.fromkeys(["prepare", "setup", "versions", "checks", "pack", "train"], "ok"),
        **dict.fromkeys(["step", "evaluation", "ranking", "norms"], "ok"),
        **dict.fromkeys(["tests", "compile"], "skipped: no GPU"),
        "total": "no step has failed",
    }
    for line in (
        r"checks on cpu, 0 failed",
        r"epoch 1  DeepPatentTestPlain 2 in 14 +\d\.\d+",
        r"training on real data.* >= 0.97",
        r"timm's resnet18.* <= 1.25",
        r"test, packed",
        r"AQE k 5 \+ top 10 \+ all metrics",
    ):
        assert re.search(f"^    .*{line}", summary, re.MULTILINE), line
    with tarfile.open(tmp_path / "gpu_results.tar.gz") as archive:
        names = {name.removeprefix("results/") for name in archive.getnames()}
        assert {f"{name}.log" for name in steps if steps[name] == "ok"} <= names
        assert {"summary.txt", "log.txt", "config.yaml"} <= names
        for name in ("step", "evaluation", "ranking", "norms"):
            assert json.load(archive.extractfile(f"results/{name}.json")), name


def test_drawings_arrive_in_16_grey_levels(repository, tmp_path):
    root, drawn = tmp_path / "root", np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    (root / "data").mkdir(parents=True)
    (root / "a").mkdir()
    Image.fromarray(drawn).save(root / "a" / "1.png")
    (root / "data" / "train_patent_trn.txt").write_text("a/1.png 7\n")
    script = str(repository / "benchmarks" / "gpu" / "prepare.py")
    options = ["--data", str(root), "--out", str(tmp_path / "out"), "--part", "train", "--side", "40"]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    subprocess.run([sys.executable, script, *options], env=environment, check=True)
    shutil.unpack_archive(tmp_path / "out" / "multiview_train.tar.xz", tmp_path)
    assert (tmp_path / "multiview/data/train_patent_trn.txt").read_text() == "a/1.png 7\n"
    cfg = load_config(None, ["INPUT.SIZE_TEST", "[40,40]"])
    found = build_decode(cfg, "SIZE_TEST")(str(tmp_path / "multiview/a/1.png"))
    assert np.array_equal(found, np.rint(drawn / 17) * 17)
