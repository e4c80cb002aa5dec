"""Short training runs through the command line, in this process, and how to interrupt them."""

import os
import signal
from contextlib import contextmanager

import pytest
import torch

from fastpatent.commands import main
from fastpatent.engine.trainer import Trainer

RESNET = ("MODEL.BACKBONE.DEPTH", "18x", "MODEL.BACKBONE.WITH_IBN", "True")
SMALL = ("MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", "test_convnext", "MODEL.BACKBONE.DROP_PATH_RATIO", "0.5")
SETS = (
    "DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)", "DATASETS.DRAWINGS.VAL_FRACTION", "0.25",
)  # fmt: skip
STEPS = 8  # 9 training identities x 4 drawings in batches of 8: 4 an epoch, 2 epochs
INTERRUPTED = 130  # exit status


def train(root, output, *options, resume=False, overwrite=False):
    """Run two epochs of four steps each; return the exit status."""
    return main([
        "train", *(["--resume"] if resume else []), *(["--overwrite"] if overwrite else []),
        "DATASETS.ROOT", str(root), *SETS, "MODEL.DEVICE", "cpu", "OUTPUT_DIR", str(output),
        "INPUT.SIZE_TRAIN", "[32,32]", "INPUT.SIZE_TEST", "[32,32]", "INPUT.FLIP.ENABLED", "True",
        "INPUT.PADDING.ENABLED", "True", "INPUT.AUTOAUG.ENABLED", "True", "INPUT.AUTOAUG.PROB", "0.5",
        "INPUT.REA.ENABLED", "True",
        "DATALOADER.SAMPLER_TRAIN", "BalancedIdentitySampler", "DATALOADER.NUM_INSTANCE", "2", "DATALOADER.NUM_WORKERS", "0",
        "MODEL.HEADS.WITH_BNNECK", "True", "MODEL.HEADS.CLS_LAYER", "CircleSoftmax", "MODEL.HEADS.SCALE", "64",
        "MODEL.HEADS.MARGIN", "0.35", "MODEL.LOSSES.NAME", "('CrossEntropyLoss','TripletLoss')",
        "MODEL.FREEZE_LAYERS", "['backbone']", "SOLVER.FREEZE_ITERS", "2", "SOLVER.WARMUP_ITERS", "3",
        "SOLVER.SCHED", "CosineAnnealingLR", "SOLVER.MAX_EPOCH", "2", "SOLVER.IMS_PER_BATCH", "8",
        "SOLVER.AMP.ENABLED", "True",
        "SOLVER.CHECKPOINT_PERIOD", "1", "TEST.EVAL_PERIOD", "1", *options,
    ])  # fmt: skip


def interrupt():
    """Send this process what Ctrl-C sends."""
    os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def interrupted_after(iteration):
    """Within this block, Ctrl-C arrives at the end of a training step."""
    step = Trainer.step

    def interrupted_step(self, batch):
        rate = step(self, batch)
        if self.position.iteration == iteration:
            interrupt()
        return rate

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Trainer, "step", interrupted_step)
        yield


def make_older(folder):
    """Remove from a run's last checkpoint what those of older versions lack: the settings and the digest of the samples."""
    path = folder / "model_final.pth"
    state = torch.load(path, weights_only=True)
    del state["config"], state["samples"], state["optimizer"]["names"]
    torch.save(state, path)


def weights(folder, name="model_final.pth"):
    """Read a checkpoint of a run."""
    return torch.load(folder / name, weights_only=True)


def assert_same_bits(left, right):
    """Assert that two state dicts are identical."""
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name
