"""`fastpatent export` of a whole extraction: the example of the documentation against `fastpatent extract`."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.config.default_network import CONFIG, WEIGHTS
from fastpatent.models import build_model
from fastpatent.synthetic.generate import generate_sample
from tests.conftest import REPOSITORY

SHEETS = REPOSITORY.parent / "shared" / "impact" / "patents"
# Every view is another copy of the network in the file, whose export takes as long as it has layers.
SMALL = ("MODEL.BACKBONE.TIMM_NAME", "test_resnet", "MODEL.WEIGHTS", "small.pth")
FIT = ("INPUT.KEEP_ASPECT", "False", "INPUT.SIZE_TEST", "[96, 128]", "INPUT.INTERPOLATION", "bilinear")
SETTINGS = {
    "on paper": (),
    "stretched, views": (*SMALL, *FIT, "TEST.FLIP.ENABLED", "True", "TEST.SCALES", "[1, 0.7]"),
    "turns": (*SMALL, *FIT, "TEST.TURNS", "True"),
}


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """A folder of sheets as they are, or generated ones where these are missing, and of a small and a long image."""
    folder = tmp_path_factory.mktemp("drawings")
    if SHEETS.is_dir():
        for path in sorted(SHEETS.glob("*/*-D*.TIF"))[::150]:
            shutil.copy(path, folder)
    else:
        generate_sample(folder / "sample", designs=3, workers=1)
    sheet = Image.open(next(path for path in sorted(folder.rglob("*")) if path.suffix in (".TIF", ".png"))).convert("L")
    sheet.resize((50, 70)).save(folder / "small.png")
    sheet.resize((2000, 30)).save(folder / "long.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_the_example_of_the_documentation_gives_the_features_of_extract(name, drawings, tmp_path, monkeypatch, capfd):
    pytest.importorskip("onnxruntime", reason="fastpatent[export] is not installed")
    pytest.importorskip("onnxscript", reason="fastpatent[export] is not installed")
    if not Path(WEIGHTS).exists():
        pytest.skip(f"{WEIGHTS} does not exist: the network in the box is not part of this checkout")
    example = re.search(
        r"```python\n(import numpy, onnxruntime.*?)```", (REPOSITORY / "docs/model_zoo.md").read_text(), re.DOTALL
    )
    words = ("--config-file", CONFIG, "TEST.PRECISION", "fp32", "MODEL.DEVICE", "cpu", "DATALOADER.NUM_WORKERS", "0")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    cfg = load_config(CONFIG, [*SMALL, "MODEL.HEADS.NUM_CLASSES", "2"])
    torch.save({"model": build_model(cfg).state_dict()}, "small.pth")
    assert main(["export", "--output", "network.onnx", *words, *SETTINGS[name]]) == 0, capfd.readouterr().err
    assert "network.onnx: image uint8 [height, width] -> features float32 [dim]" in capfd.readouterr().out
    assert main(["extract", "--images", str(drawings), "--output", "f.npz", *words, *SETTINGS[name]]) == 0
    with np.load("f.npz") as stored:
        for path, truth in zip(stored["paths"], stored["features"].astype(np.float64)):
            shutil.copy(drawings / path, "drawing.png")
            exec(example[1], found := {})
            features = found["features"].astype(np.float64)
            assert features @ truth > 0.9999 * np.linalg.norm(features) * np.linalg.norm(truth), path


def test_what_the_file_cannot_carry_is_one_sentence(tmp_path, capfd):
    words = ["export", "--output", str(tmp_path / "m.onnx"), "--config-file", CONFIG, "INPUT.FIT", "shorter"]
    assert main(words) == 1
    error = capfd.readouterr().err
    assert (
        "INPUT.FIT: shorter cannot be part of an exported file; export with --fitted" in error and "Traceback" not in error
    )
