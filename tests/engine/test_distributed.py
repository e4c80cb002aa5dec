"""Two processes on the CPU learn what one learns, and end together."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from fastpatent.config import load_config
from fastpatent.data.load_datasets import load_training_set
from tests.conftest import REPOSITORY
from tests.engine.processes import assert_same_steps, results, train_here, train_in_two, write_config


def by_torchrun(config, *options):
    script = str(REPOSITORY / "tools" / "train_net.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", script]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}  # this checkout's package
    words = [*command, "--config-file", str(config), *options]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
@pytest.mark.parametrize(
    "losses, train, options, of_two",
    [
        (["CrossEntropyLoss", "TripletLoss", "CircleLoss"], by_torchrun, [], []),
        # Parts of a batch do not see each other's pairs, so only a loss over single images can be compared.
        (["CrossEntropyLoss"], train_in_two, ["SOLVER.BASE_LR", "0.3"], ["SOLVER.GRAD_ACCUM_STEPS", "2"]),
    ],
    ids=["torchrun", "--num-gpus, two parts"],
)
def test_two_processes_give_what_one_gives(losses, train, options, of_two, drawings_folder, tmp_path):
    configs = [write_config(drawings_folder, tmp_path / name, losses) for name in ("one", "two")]
    one, loss = train_here(configs[0], *options)
    finished = train(configs[1], *options, *of_two)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    two, loss_of_two = results(configs[1])
    assert one["iteration"] == two["iteration"] == 5
    assert loss_of_two == pytest.approx(loss, rel=1e-5)
    assert_same_steps(configs[0], one["model"], two["model"])


BAD_LOSS_IN_ONE = """
def changed(self, batch):
    self._guard.cheap = False
    if distributed.rank() == 1 and self.position.iteration == 1:
        normalise = self.model.normalise
        self.model.normalise = lambda images: normalise(images) * float("nan")
        print("the images:", [self.loader.samples[index].path for index in batch.indices.tolist()], flush=True)
    return step(self, batch)
"""

STOPPED_IN_ONE = """
def changed(self, batch):
    if distributed.rank() == 1 and self.position.iteration == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    return step(self, batch)
"""


@pytest.mark.slow
def test_a_bad_loss_in_one_process_ends_all_and_names_its_images(drawings_folder, tmp_path):
    """As on a GPU, where the losses are read at the end of the epoch only."""
    config = write_config(drawings_folder, tmp_path, ["CrossEntropyLoss"])
    finished = train_in_two(config, changed=BAD_LOSS_IN_ONE)
    assert finished.returncode == 1, finished.stdout + finished.stderr
    line = next(line for line in finished.stdout.splitlines() if line.startswith("the images:"))
    paths = list(dict.fromkeys(re.findall(r"'([^']*)'", line)))
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    errors = {line for line in finished.stderr.splitlines() if line.startswith("error:")}
    assert len(errors) == 1 and "Traceback" not in finished.stderr
    (error,) = errors
    assert " at iteration 2: " in error and error.endswith(f"images of the batch: {', '.join(paths[:3])}{more}")
    assert not list(tmp_path.glob("*.pth"))


@pytest.mark.slow
def test_a_broken_image_in_one_process_ends_both_with_one_sentence(drawings_folder, tmp_path):
    shutil.copytree(drawings_folder, tmp_path / "drawings")
    config = write_config(tmp_path / "drawings", tmp_path / "run")
    broken = load_training_set(load_config(config))[0].path
    with open(broken, "wb") as file:
        file.write(b"no image")
    finished = train_in_two(config, "DATALOADER.MAX_BROKEN", "0", "SOLVER.MAX_EPOCH", "3")
    assert finished.returncode == 1, finished.stdout + finished.stderr
    (error,) = [line for line in finished.stderr.splitlines() if line.startswith("error:")]
    assert error.startswith(f"error: {broken}: ") and "Traceback" not in finished.stderr


@pytest.mark.slow
def test_a_stop_in_one_process_reaches_the_other_and_the_run_is_saved(drawings_folder, tmp_path):
    config = write_config(drawings_folder, tmp_path)
    endless = ["SOLVER.MAX_EPOCH", "100000", "TEST.EVAL_PERIOD", "0", "SOLVER.CHECKPOINT_PERIOD", "100000"]
    finished = train_in_two(config, *endless, changed=STOPPED_IN_ONE)
    assert finished.returncode == 130, finished.stdout + finished.stderr
    assert finished.stderr.splitlines().count("interrupted") == 2 and "Traceback" not in finished.stderr
    assert re.search(r"stopped at iteration \d+; \S*model_interrupted.pth is saved, continue with --resume", finished.stdout)
    assert (tmp_path / "model_interrupted.pth").exists()
