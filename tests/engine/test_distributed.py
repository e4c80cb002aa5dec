import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from fastpatent.config import load_config
from fastpatent.models import build_model, with_classes


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


def train(repository, config, launcher=(), options=()):
    """Run the training script in a process of its own; return what it saved and the loss it reported."""
    script = [str(repository / "tools" / "train_net.py"), "--config-file", str(config)]
    command = [sys.executable, *launcher, *script, *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    output = Path(load_config(config).OUTPUT_DIR)
    state = torch.load(output / "model_final.pth", weights_only=True)
    assert state["iteration"] == 5
    return state["model"], reported_loss(output)


@pytest.fixture(scope="module")
def by_one(drawings_folder, tmp_path_factory, repository):
    """What one process makes of the run: (configuration file, weights, losses)."""
    config = write_config(drawings_folder, tmp_path_factory.mktemp("one"))
    return config, *train(repository, config)


def write_config(drawings_folder, folder, losses=("CrossEntropyLoss", "TripletLoss", "CircleLoss")):
    losses = list(losses)
    folder.mkdir(exist_ok=True)
    (folder / "run.yml").write_text(yaml.safe_dump(settings(drawings_folder, folder, losses)))
    return folder / "run.yml"


@pytest.mark.parametrize(
    "launcher, options",
    [(("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"), ()), ((), ("--num-gpus", "2"))],
    ids=["torchrun", "num-gpus"],
)
def test_two_processes_give_what_one_gives(launcher, options, by_one, drawings_folder, tmp_path, repository):
    config, one, loss = by_one
    two, loss_of_two = train(repository, write_config(drawings_folder, tmp_path), launcher, options)
    assert loss_of_two == pytest.approx(loss, rel=1e-5)
    assert_same_steps(config, one, two)


def test_two_processes_in_two_parts_give_what_one_gives_in_one(drawings_folder, tmp_path, repository):
    """Parts of a batch know nothing of each other's pairs, so only a loss over single drawings can be compared."""
    configs = [write_config(drawings_folder, folder, ["CrossEntropyLoss"]) for folder in (tmp_path / "1", tmp_path / "2")]
    rate = ["SOLVER.BASE_LR", "0.3"]
    one, loss = train(repository, configs[0], options=rate)
    two, loss_of_two = train(repository, configs[1], options=["--num-gpus", "2", *rate, "SOLVER.GRAD_ACCUM_STEPS", "2"])
    assert loss_of_two == pytest.approx(loss, rel=1e-5)
    assert_same_steps(configs[0], one, two)


def assert_same_steps(config, one, two):
    """Compare weights as far as they have moved from where both began."""
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


BAD_LOSS_IN_ONE = """
import sys
from fastpatent import distributed
from fastpatent.commands.train import main
from fastpatent.commands.run import run
from fastpatent.engine.trainer import Trainer

step = Trainer.step

def poisoned(self, batch):
    self._guard.cheap = {cheap}
    if distributed.rank() == 1 and self.position.iteration == 1:
        normalise = self.model.normalise
        self.model.normalise = lambda images: normalise(images) * float("nan")
        print("the drawings:", [self.loader.samples[index].path for index in batch.indices.tolist()], flush=True)
    return step(self, batch)

Trainer.step = poisoned
if __name__ == "__main__":
    sys.exit(run(main))
"""


@pytest.mark.parametrize("cheap", [True, False], ids=["processor", "card"])
def test_a_bad_loss_in_one_process_ends_all_and_names_its_drawings(cheap, drawings_folder, tmp_path):
    config = write_config(drawings_folder, tmp_path, ["CrossEntropyLoss"])
    (tmp_path / "run.py").write_text(BAD_LOSS_IN_ONE.format(cheap=cheap))
    command = [sys.executable, str(tmp_path / "run.py"), "--num-gpus", "2", "--config-file", str(config)]
    finished = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120
    )
    assert finished.returncode == 1
    told = next(line for line in finished.stdout.splitlines() if line.startswith("the drawings:"))
    paths = list(dict.fromkeys(re.findall(r"'([^']*)'", told)))
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    errors = {line for line in finished.stderr.splitlines() if line.startswith("error:")}
    assert len(errors) == 1 and "Traceback" not in finished.stderr
    (error,) = errors
    assert " at iteration 2: " in error and error.endswith(f"drawings of the batch: {', '.join(paths[:3])}{more}")
    assert not list(tmp_path.glob("*.pth"))
