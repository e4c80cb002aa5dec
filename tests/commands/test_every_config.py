"""Every file under configs/ builds its network, trains two steps on drawings of the sample, and resumes between them."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageFilter

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.data.sample import generate_sample
from fastpatent.engine import trainer

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILES = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yml"))
DESIGNS, VIEWS = 5, 2
SIZES = {"sketch_a_net": 225}  # backbones that take no drawings of 64 x 64


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Some designs of the sample: a folder of drawings, and one in Sketchy's layout with blurred drawings as photographs."""
    folder = tmp_path_factory.mktemp("sample")
    designs = sorted(generate_sample(folder / "drawn", DESIGNS, workers=1).glob("**/USD*-*"))
    designs = [design for design in designs if design.is_dir()]
    for design in designs:
        views = sorted(design.iterdir())[:VIEWS]
        for number, view in enumerate(views):
            copied = folder / "designs" / design.name / view.name
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(view, copied)
            sketch = folder / "sketchy/sketch/tx_000000000000" / design.name / f"n{number:08d}_1-1.png"
            photo = folder / "sketchy/photo/tx_000000000000" / design.name / f"n{number:08d}_1.jpg"
            for path in (sketch, photo):
                path.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(view) as drawing:
                drawing.convert("L").save(sketch)
                drawing.convert("RGB").filter(ImageFilter.GaussianBlur(4)).save(photo)
    assert len(designs) == DESIGNS
    return folder


def words_for(cfg, sample, output):
    """Return the settings that make a configuration small: little data, small drawings, two steps."""
    sketchy = any(name.startswith("Sketchy") for name in cfg.DATASETS.NAMES)
    size = SIZES.get(cfg.MODEL.BACKBONE.NAME, 64)
    settings = {
        "DATASETS.ROOT": sample / ("sketchy" if sketchy else "designs"),
        "DATASETS.NAMES": cfg.DATASETS.NAMES if sketchy else ("Drawings",),
        "DATASETS.TESTS": (),
        "DATASETS.DRAWINGS.VAL_FRACTION": 0.2,
        "DATALOADER.NUM_WORKERS": 0,
        "DATALOADER.NUM_INSTANCE": 2,
        "DATALOADER.MINING.QUERIES": 2,
        "DATALOADER.MINING.NEGATIVES": 2,
        "INPUT.SIZE_TRAIN": [size, size],
        "INPUT.SIZE_TEST": [size, size],
        "INPUT.FIT": "paper" if cfg.INPUT.FIT in ("native", "shorter") else cfg.INPUT.FIT,
        "MODEL.DEVICE": "cpu",
        "MODEL.WEIGHTS": "",
        "MODEL.TOWER_WEIGHTS": ["", ""],
        "MODEL.BACKBONE.PRETRAIN": False,
        "SOLVER.IMS_PER_BATCH": 8,  # one batch an epoch
        "SOLVER.MAX_EPOCH": 2,
        "SOLVER.WARMUP_ITERS": 1,
        "SOLVER.FREEZE_ITERS": 1,
        "SOLVER.CHECKPOINT_PERIOD": 9,
        "TEST.EVAL_PERIOD": 0,
        "OUTPUT_DIR": output,
    }
    return [str(word) for pair in settings.items() for word in pair]


@pytest.mark.parametrize("name", FILES)
def test_builds_trains_two_steps_and_resumes(name, sample, tmp_path, monkeypatch, capfd):
    path = CONFIGS / name
    command = ["train", "--config-file", str(path), *words_for(load_config(path), sample, tmp_path)]
    step = trainer.Trainer.step

    def interrupted_step(self, batch):
        os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(trainer.Trainer, "step", interrupted_step)
        assert main(command) == 130, capfd.readouterr().err
    before = torch.load(tmp_path / "model_interrupted.pth", weights_only=True, mmap=True)
    assert before["iteration"] == 1
    assert main([command[0], "--resume", *command[1:]]) == 0, capfd.readouterr().err
    after = torch.load(tmp_path / "model_final.pth", weights_only=True, mmap=True)
    assert after["iteration"] == 2
    learned = (not torch.equal(before["model"][key], after["model"][key]) for key in before["model"] if "backbone" in key)
    assert any(learned)
    shutil.rmtree(tmp_path)  # some of these weigh a gigabyte
