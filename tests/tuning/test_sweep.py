"""`fastpatent sweep` over trials that train: the loop with the stand-in of training.py, and one with real trainings."""

import os
import signal
from pathlib import Path

import pytest
import torch

from fastpatent.config import load_config
from fastpatent.tuning import sweep as loop
from fastpatent.tuning.trial import TRAIN

GRID = "SOLVER.BASE_LR: [0.5, 0.95, 0.7]\n"
WHOLE = ("--sampler", "grid")


def starts(name):
    """Return the CUDA_VISIBLE_DEVICES of each start of a trial."""
    return [line.split()[0] for line in Path("out", name, "starts").read_text().splitlines()]


def test_the_best_of_a_grid_is_written_and_a_failed_trial_is_named(sweep, capfd, monkeypatch):
    monkeypatch.setenv("FAILURE", "SOLVER.BASE_LR: out of patience")
    assert sweep(GRID, *WHOLE, "SOLVER.MAX_EPOCH", "3", "TEST.EVAL_PERIOD", "1") == 0
    printed, errors = capfd.readouterr()
    assert "\ntrial_0000  mAP 0.5000\n" in printed and "\ntrial_0002  mAP 0.7000\n" in printed
    assert "no trial is pruned" not in printed
    assert errors == "warning: 1 of 3 trials failed; the first, trial 1: SOLVER.BASE_LR: out of patience\n"
    assert "trial_0001  failed: SOLVER.BASE_LR: out of patience" in Path("out/log.txt").read_text()
    best = load_config("out/best.yml")
    assert (best.SOLVER.BASE_LR, best.SOLVER.MAX_EPOCH, best.OUTPUT_DIR) == (0.7, 3, "out/best")
    assert best.DATASETS == load_config("base.yml").DATASETS
    assert "out of patience" in Path("out/index.html").read_text()
    assert sweep(GRID, *WHOLE, "SOLVER.MAX_EPOCH", "3", "TEST.EVAL_PERIOD", "1") == 0  # nothing is left
    assert [starts(f"trial_{number:04d}") for number in range(3)] == [["None"]] * 3


def test_a_trial_that_is_worse_than_half_of_the_others_is_pruned(sweep, capfd):
    text = "SOLVER.BASE_LR: [0.3, 0.4, 0.5, 0.6, 0.7, 0.1]\n"
    assert sweep(text, *WHOLE) == 0
    printed = capfd.readouterr().out
    assert "no trial is pruned: with TEST.EVAL_PERIOD 20 each is evaluated after its 1 epochs only" in printed
    assert "\ntrial_0005  mAP 0.0333 at epoch 1, pruned\n" in printed
    assert Path("out/trial_0004/model_0000.pth").exists() and not Path("out/trial_0005/model_0000.pth").exists()
    assert '<td>pruned</td><td class="number">0.0333</td>' in Path("out/index.html").read_text()


def test_ctrl_c_stops_the_training_and_the_same_command_goes_on_with_it(sweep, monkeypatch, capfd):
    sleep, text, sent = loop.time.sleep, "SOLVER.BASE_LR: [0.1, 0.4]\n", []

    def interrupted(seconds):
        sleep(seconds)
        if Path("out/trial_0000/history.jsonl").exists() and not sent:
            sent.append(os.kill(os.getpid(), signal.SIGINT))

    with monkeypatch.context() as patched:
        patched.setattr(loop.time, "sleep", interrupted)
        assert sweep(text, *WHOLE) == 130
    assert "\ntrial_0000  stopped; the same command goes on with it\n" in capfd.readouterr().out
    assert '<td>running</td><td class="number">0.0333</td>' in Path("out/index.html").read_text()
    assert sweep(text, *WHOLE) == 0
    assert len(starts("trial_0000")) == 2 and len(starts("trial_0001")) == 1
    assert "trial_0000  mAP 0.1000" in capfd.readouterr().out


def test_a_full_disk_in_a_training_ends_the_sweep_and_leaves_the_trial(sweep, monkeypatch, capfd):
    with monkeypatch.context() as patched:
        patched.setenv("FAILURE", "out/trial_0000/model_best.pth: No space left on device")
        assert sweep("SOLVER.BASE_LR: [0.95]\n", *WHOLE) == 1
    sentence = "trial_0000: out/trial_0000/model_best.pth: No space left on device; the same command goes on with it"
    assert capfd.readouterr().err == f"error: {sentence} once there is room\n"
    assert sweep("SOLVER.BASE_LR: [0.95]\n", *WHOLE) == 0 and len(starts("trial_0000")) == 2


def test_a_sweep_of_failures_is_an_error(sweep, monkeypatch, capfd):
    monkeypatch.setenv("FAILURE", "no luck")
    assert sweep("SOLVER.BASE_LR: [0.95, 0.97]\n", *WHOLE) == 1
    assert capfd.readouterr().err == "error: none of 2 trials has finished; trial 0: no luck\n"


def test_values_that_do_not_go_together_fail_without_a_training(sweep, capfd):
    text = "SOLVER.MOMENTUM: [0.9, 0.0]\nSOLVER.BASE_LR: [0.5]\n"
    assert sweep(text, *WHOLE, "SOLVER.NESTEROV", "True") == 0
    assert "trial 1: SOLVER.NESTEROV is True, which needs SOLVER.MOMENTUM above 0" in capfd.readouterr().err
    assert not Path("out/trial_0001").exists()


def test_the_best_few_run_again_with_other_seeds(sweep, capfd):
    assert sweep("SOLVER.BASE_LR: [0.5, 0.7, 0.6]\n", *WHOLE, "--seeds", "2", "--best", "1", "SEED", "7") == 0
    seeds = [Path(f"out/seed_{number:04d}/starts").read_text().split()[2] for number in range(2)]
    assert seeds == ["8", "9"]
    assert "0.7000 (0.7000 to 0.7000, 3 seeds)" in capfd.readouterr().out
    assert load_config("out/best.yml").SEED == 7


def test_one_training_a_gpu_runs_at_once(sweep, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert (loop.gpus("cuda"), loop.gpus("cuda:1"), loop.gpus("cpu")) == (["0", "1"], [None], [None])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,3")
    begun = []
    waits = loop.Training.poll

    def poll(self):
        begun.append(self.trial.number)
        return waits(self)

    monkeypatch.setattr(loop.Training, "poll", poll)
    assert sweep("SOLVER.BASE_LR: [0.3, 0.4, 0.5]\n", *WHOLE, "MODEL.DEVICE", "cuda") == 0
    assert begun[:2] == [0, 1]  # before either has ended
    assert [starts(f"trial_{number:04d}") for number in range(2)] == [["5"], ["3"]]
    assert starts("trial_0002")[0] in ("5", "3")


@pytest.mark.parametrize("name", ["index.html", "best.yml", "trial_0000.yml"])
def test_files_of_others_are_not_replaced(name, sweep, capfd):
    os.mkdir("out")
    Path("out", name).write_text("mine")
    sweep(GRID, *WHOLE)
    assert f"out/{name}: this file is there already and was not written by this command" in "".join(capfd.readouterr())
    assert Path("out", name).read_text() == "mine"


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["--trials", "-1"], "--trials, --seeds and --best take whole numbers, --best of 1 or more"),
        (
            ["--config-file", ""],
            "give the configuration that varies: --config-file F; that of the network in the box is default",
        ),
        (["DATASETS.TESTS", "[]"], "DATASETS.TESTS"),
        (["SOLVER.BASE_RL", "1"], "command line: SOLVER.BASE_RL is no key; did you mean SOLVER.BASE_LR?"),
        (["DESCRIPTOR.NAME", "pixels"], "DESCRIPTOR.NAME"),
    ],
)
def test_mistakes_are_one_sentence(words, complaint, sweep, capfd):
    assert sweep(GRID, *words) == 1
    assert capfd.readouterr().err.startswith(f"error: {complaint}")
    assert not Path("out").exists()


@pytest.mark.slow
def test_a_training_reaches_what_its_best_checkpoint_says(sweep, monkeypatch, repository, capfd):
    monkeypatch.setattr("fastpatent.tuning.trial.TRAIN", TRAIN)
    monkeypatch.setenv("PYTHONPATH", str(repository))
    words = ["SOLVER.MAX_EPOCH", "2", "TEST.EVAL_PERIOD", "1"]
    assert sweep("SOLVER.BASE_LR: [0.05]\n", *WHOLE, *words) == 0
    reached = torch.load("out/trial_0000/model_best.pth")["metric"]
    assert f"\ntrial_0000  mAP {reached:.4f}\n" in capfd.readouterr().out
    assert load_config("out/best.yml").SOLVER.BASE_LR == 0.05
    assert load_config("out/trial_0000/config.yaml").SOLVER == load_config("out/trial_0000.yml").SOLVER
