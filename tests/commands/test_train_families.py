"""Every network under configs/ is built, trains two steps on drawings of the sample, and resumes between them.

Files that come down to the same small run (a network's training at two sizes, and its test) share one.
"""

import os
import shutil
import signal

import pytest
import torch
from PIL import Image, ImageFilter

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.config.names import leaves
from fastpatent.engine import trainer
from fastpatent.synthetic import generate_sample
from tests.network_configs import CONFIGS, network_configs

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
    rows = [f"{design.name},a thing called {number},D{number}" for number, design in enumerate(designs, 1)]
    (folder / "designs/texts.csv").write_text("\n".join(["id,title,category", *rows]))
    return folder


def small(path):
    """Return the settings that make a configuration small, as a dict: little data, small drawings, two steps."""
    cfg = load_config(path)
    sketchy = any(name.startswith("Sketchy") for name in cfg.DATASETS.NAMES)
    size = SIZES.get(cfg.MODEL.BACKBONE.NAME, 64)
    return {
        "DATASETS.ROOT": "sketchy" if sketchy else "designs",
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
        "MODEL.CLIP.NAME": str(CONFIGS / "impact/small_pair.json"),
        "MODEL.CLIP.PRETRAINED": "",
        "MODEL.CLIP.CHUNK": 0,
        "DATASETS.CAPTIONS.TABLE.FILE": "" if sketchy else "texts.csv",
        "DATASETS.CAPTIONS.TABLE.IDENTITY": "id",
        "DATASETS.CAPTIONS.TABLE.CLASS": "category",
        "SOLVER.IMS_PER_BATCH": 8,  # one batch an epoch
        "SOLVER.MAX_EPOCH": 2,
        "SOLVER.BASE_LR": 1e-3,
        "SOLVER.WARMUP_ITERS": 1,
        "SOLVER.FREEZE_ITERS": 1,
        "SOLVER.CHECKPOINT_PERIOD": 9,
        "TEST.EVAL_PERIOD": 0,
    }


def words_of(settings):
    """Return settings as a command line has them."""
    return [str(word) for pair in settings.items() for word in pair]


def runs():
    """Return [names of the files that come down to one small run]."""
    found = {}
    for path in network_configs():
        cfg = load_config(path, words_of(small(path)))
        decides = [leaf for leaf in leaves(cfg) if not leaf[0].startswith(("TEST.", "OUTPUT_DIR", "SOLVER.STEPS"))]
        found.setdefault(repr(decides), []).append(path.relative_to(CONFIGS).as_posix())
    return list(found.values())


@pytest.mark.parametrize("names", runs(), ids=" ".join)
def test_builds_trains_two_steps_and_resumes(names, sample, tmp_path, monkeypatch, capfd):
    path = CONFIGS / names[0]
    settings = small(path)
    settings |= {"DATASETS.ROOT": sample / settings["DATASETS.ROOT"], "OUTPUT_DIR": tmp_path}
    command = ["train", "--config-file", str(path), *words_of(settings)]
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
    towers = [key for key in before["model"] if "backbone" in key or key.startswith(("visual.", "text."))]
    assert any(not torch.equal(before["model"][key], after["model"][key]) for key in towers)
    shutil.rmtree(tmp_path)  # some of these weigh a gigabyte
