"""One network of each family under configs/ trains two steps on synthetic drawings, and resumes between them.

tests/config loads every file, and tests/models builds every network. Here each component, loss, sampler, augmentation and
setting of training that any file has is used once.
"""

import os
import re
import shutil
import signal

import pytest
import torch
from PIL import Image, ImageFilter

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.config.key import Component
from fastpatent.config.keys import KEYS
from fastpatent.config.names import leaves
from fastpatent.engine import trainer
from fastpatent.synthetic.generate import generate_sample
from tests.network_configs import CONFIGS, network_configs

pytestmark = pytest.mark.slow

DESIGNS, VIEWS = 5, 2
SIZES = {"sketch_a_net": 225}  # backbones that do not take drawings of 64 x 64
FILES = (
    "Base-SBS.yml",
    "sample/sbs_R18-ibn_sample_64.yml",
    "multiview/recipe/lite0_96.yml",
    "multiview/trials/ema.yml",
    "multiview/trials/sub_centers.yml",
    "multiview/trials/sampled_classes.yml",
    "multiview/trials/xbm.yml",
    "multiview/swinv2_tiny_arcface_64.yml",
    "multiview/winner_efficientnet_b0_96.yml",
    "winner/swin_b_768.yml",
    "patentnet/resnet18_triplet.yml",
    "patentnet/resnet18_contrastive.yml",
    "multiview/patentnet_R18_rotnet_64.yml",
    "sketch/sketch_a_net_patent.yml",
    "sketch/sketchy_two_branch.yml",
    "impact/small_pair_impact.yml",
    "impact/vit_b32_class.yml",
    "impact/vit_b32_siglip.yml",
    "impact/vit_b32_arcface.yml",
)
SMALLER = {"swin_base": "swin_tiny_patch4_window7_224", "vit_base": "vit_tiny_patch16_224"}  # by the beginning of the name
# What decides how a network is built and trained, and is not made smaller here.
DECIDING = ("MODEL.", "INPUT.", "DATALOADER.", "SOLVER.")
SET_HERE = {"MODEL.BACKBONE.PRETRAIN", "INPUT.FIT", "MODEL.CLIP.CHUNK"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Some synthetic designs: a folder of drawings, and one in Sketchy's layout with blurred drawings as photographs."""
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
        "MODEL.BACKBONE.PRETRAIN_PATH": "",
        "MODEL.BACKBONE.TIMM_NAME": next(
            (found for name, found in SMALLER.items() if cfg.MODEL.BACKBONE.TIMM_NAME.startswith(name)),
            cfg.MODEL.BACKBONE.TIMM_NAME,
        ),
        "MODEL.CLIP.NAME": str(CONFIGS / "impact/small_pair.json"),
        "MODEL.CLIP.PRETRAINED": "",
        "MODEL.CLIP.CHUNK": 0,
        "DATASETS.CAPTIONS.TABLE.FILE": "" if sketchy else "texts.csv",
        "DATASETS.CAPTIONS.TABLE.IDENTITY": "id",
        "DATASETS.CAPTIONS.TABLE.CLASS": "category",
        "SOLVER.IMS_PER_BATCH": 8,  # one batch an epoch
        "SOLVER.MAX_EPOCH": 2,
        "SOLVER.BASE_LR": 1e-3,
        "SOLVER.WARMUP_ITERS": 2,  # after it the second epoch, the last, would have ETA_MIN_LR, which may be 0
        "SOLVER.FREEZE_ITERS": 1,
        "SOLVER.CHECKPOINT_PERIOD": 9,
        "TEST.EVAL_PERIOD": 0,
    }


def words_of(settings):
    """Return settings as a command line has them."""
    return [str(word) for pair in settings.items() for word in pair]


def choices_of(cfg):
    """Yield (key, value) of the components, switches and choices of a configuration."""
    for name, value in leaves(cfg):
        key = KEYS[name]
        if not name.startswith(DECIDING) or name in SET_HERE or key.ignored:
            continue
        if isinstance(key.rule, Component) and isinstance(value, tuple):
            yield from ((name, component) for component in value)
        elif isinstance(key.rule, Component) or isinstance(value, bool) or isinstance(value, str) and key.rule:
            yield name, value
        elif name == "MODEL.BACKBONE.TIMM_NAME":
            yield name, re.sub("_.*|[0-9]+", "", value.removeprefix("tf_"))
        elif name == "SOLVER.OPT":
            yield name, value
        elif isinstance(value, (int, float)) and key.default in (0, 1):  # off at this default
            yield name, value != key.default


def test_every_choice_of_the_files_is_trained():
    trained = {choice for name in FILES for choice in choices_of(load_config(CONFIGS / name))}
    for path in network_configs():
        assert set(choices_of(load_config(path))) <= trained, path


@pytest.mark.parametrize("name", FILES)
def test_builds_trains_two_steps_and_resumes(name, sample, tmp_path, monkeypatch, capfd):
    path = CONFIGS / name
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
    shutil.rmtree(tmp_path)
