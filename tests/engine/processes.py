"""The same short training run in this process and in processes of its own, and how to compare the two."""

from pathlib import Path

import torch
import yaml

from fastpatent.commands import main
from fastpatent.config import load_config
from fastpatent.models import build_model, with_classes
from tests.forked import run_python


def settings(root, output, losses):
    """Five steps of a network that normalises each drawing by itself."""
    return {
        "MODEL": {
            "DEVICE": "cpu",
            "FREEZE_LAYERS": ["backbone"],
            "BACKBONE": {"NAME": "timm", "TIMM_NAME": "test_convnext", "DROP_PATH_RATIO": 0.0},
            "HEADS": {"CLS_LAYER": "CosSoftmax", "SCALE": 16, "MARGIN": 0.1, "WITH_BNNECK": False},
            "LOSSES": {"NAME": losses, "TRI": {"MARGIN": 0.0, "HARD_MINING": True, "NORM_FEAT": True}},
        },
        "INPUT": {"SIZE_TRAIN": [32, 32], "SIZE_TEST": [32, 32], "FLIP": {"ENABLED": True}, "PADDING": {"ENABLED": True}},
        "DATASETS": {"ROOT": str(root), "NAMES": ["Drawings"], "TESTS": ["Drawings"], "DRAWINGS": {"VAL_FRACTION": 0.15}},
        "DATALOADER": {"SAMPLER_TRAIN": "NaiveIdentitySampler", "NUM_INSTANCE": 2, "NUM_WORKERS": 0},
        # plain descent: Adam's division would blow up the last bits of gradients near zero
        "SOLVER": {"FREEZE_ITERS": 2, "OPT": "SGD", "BASE_LR": 0.05, "WARMUP_ITERS": 0, "MAX_EPOCH": 1, "IMS_PER_BATCH": 8},
        "OUTPUT_DIR": str(output),
    }


def write_config(drawings_folder, folder, losses=("CrossEntropyLoss", "TripletLoss", "CircleLoss")):
    """Write the run's configuration into `folder`, where its output goes too; return the path."""
    folder.mkdir(exist_ok=True)
    (folder / "run.yml").write_text(yaml.safe_dump(settings(drawings_folder, folder, list(losses))))
    return folder / "run.yml"


def train_here(config, *options):
    """Run it in this process; return `results` of it."""
    assert main(["train", "--config-file", str(config), *options]) == 0
    return results(config)


TRAIN_IN_TWO = """
import os, signal, sys
from functools import partial
from torch.multiprocessing import start_processes
from fastpatent import distributed
from fastpatent.commands import launch
from fastpatent.commands.run import run
from fastpatent.commands.train import main
from fastpatent.engine.trainer import Trainer

step = Trainer.step
{changed}
Trainer.step = changed
launch.spawn = partial(start_processes, start_method="fork")  # else both processes would import all again
sys.exit(run(main))
"""


def train_in_two(config, *options, changed="changed = step"):
    """Run the training command with --num-gpus 2 and return the CompletedProcess.

    Args:
        changed: program that defines a function `changed`, which takes the place of `Trainer.step`, the function `step`.
    """
    program = TRAIN_IN_TWO.format(changed=changed)
    return run_python(config.parent, "-c", program, "--num-gpus", "2", "--config-file", config, *options)


def results(config):
    """Return (the last checkpoint of a run, the losses that were reported)."""
    output = Path(load_config(config).OUTPUT_DIR)
    return torch.load(output / "model_final.pth", weights_only=True), reported_losses(output)


def reported_losses(folder):
    """Read the losses of a run from its TensorBoard file."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [event.value for event in events.Scalars("loss/total")]


def assert_same_steps(config, one, two):
    """Compare weights as far as they have moved from their initial values."""
    cfg = with_classes(load_config(config), len(one["heads.weight"]))
    torch.manual_seed(cfg.SEED)
    start = build_model(cfg).state_dict()
    for name in one:
        step = (one[name] - start[name]).norm()
        assert (two[name] - one[name]).norm() <= 1e-3 * step + 1e-6, name
    assert sum((one[name] - start[name]).norm() > 1e-3 for name in one) > len(one) / 2
