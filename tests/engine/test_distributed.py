import os
import subprocess
import sys

import pytest
import torch
import yaml

from fastpatent.commands.parts import with_classes
from fastpatent.config import load_config
from fastpatent.models import build_model


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


@pytest.mark.parametrize("losses", [["CrossEntropyLoss", "TripletLoss", "CircleLoss"]])
def test_two_processes_give_what_one_gives(losses, drawings_folder, tmp_path, repository):
    found = {}
    for processes in (1, 2):
        output = tmp_path / str(processes)
        config = tmp_path / f"{processes}.yml"
        config.write_text(yaml.safe_dump(settings(drawings_folder, output, losses)))
        script = [str(repository / "tools" / "train_net.py"), "--config-file", str(config)]
        start = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = start + script if processes > 1 else [sys.executable, *script]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        state = torch.load(output / "model_final.pth", weights_only=True)
        assert state["iteration"] == 5
        found[processes] = state, reported_loss(output)
    assert found[1][1] == pytest.approx(found[2][1], rel=1e-5)
    one, two = (found[processes][0]["model"] for processes in (1, 2))
    start = initial_weights(config, classes=len(one["heads.weight"]))
    for name in one:
        step = (one[name] - start[name]).norm()
        assert (two[name] - one[name]).norm() <= 1e-3 * step + 1e-6, name
    assert sum((one[name] - start[name]).norm() > 1e-3 for name in one) > len(one) / 2


def initial_weights(config, classes):
    cfg = with_classes(load_config(config), classes)
    torch.manual_seed(cfg.SEED)
    return build_model(cfg).state_dict()


def reported_loss(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [event.value for event in events.Scalars("loss/total")]
