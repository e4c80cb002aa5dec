"""Whole runs: interrupted anywhere they resume to the bit, and a run that cannot be resumed says why."""

import csv
import shutil
from pathlib import Path

import pytest
import torch

from fastpatent.config import load_config
from fastpatent.data.load_datasets import load_training_set
from fastpatent.engine.checkpoint import LAST
from fastpatent.engine.trainer import Trainer
from fastpatent.registry import OPTIMIZERS
from tests.engine.runs import (
    INTERRUPTED,
    RESNET,
    SETS,
    SMALL,
    STEPS,
    assert_same_bits,
    interrupt,
    interrupted_after,
    make_older,
    train,
    weights,
)


# while frozen, within an epoch, at its end, after an evaluation; with batch norm and with random paths
@pytest.mark.parametrize("network, iteration", [(SMALL, 1), (SMALL, 3), (SMALL, 4), (SMALL, 6), (RESNET, 6)])
def test_a_run_interrupted_anywhere_and_resumed_gives_the_same_bits(
    network, iteration, whole_run, drawings_folder, tmp_path
):
    with interrupted_after(iteration):
        assert train(drawings_folder, tmp_path, *network) == INTERRUPTED
    assert (tmp_path / LAST).read_text() == "model_interrupted.pth"
    workers = ["DATALOADER.NUM_WORKERS", "1"] if iteration == 3 else []  # neither may matter
    assert train(drawings_folder, tmp_path, *network, *workers, resume=True) == 0
    expected, found = weights(whole_run(*network)), weights(tmp_path)
    assert found["iteration"] == STEPS
    assert_same_bits(expected["model"], found["model"])
    assert expected["best"] == found["best"]
    best = (weights(folder, "model_best.pth")["model"] for folder in (whole_run(*network), tmp_path))
    assert_same_bits(*best)


def test_a_run_interrupted_during_an_evaluation_repeats_it(whole_run, drawings_folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_measure", lambda self, epoch: interrupt())
        assert train(drawings_folder, tmp_path, *SMALL) == INTERRUPTED
    assert weights(tmp_path, "model_interrupted.pth")["finished_epochs"] == 0
    assert train(drawings_folder, tmp_path, *SMALL, resume=True) == 0
    assert_same_bits(weights(whole_run(*SMALL))["model"], weights(tmp_path)["model"])
    assert (tmp_path / "model_best.pth").is_file()


def test_a_step_cut_in_two_by_a_second_interrupt_is_not_saved(drawings_folder, tmp_path, monkeypatch):
    step = Trainer.step

    def cut_step(self, batch):
        step(self, batch)  # the weights have moved; what follows belongs to the same step
        interrupt()
        interrupt()

    monkeypatch.setattr(Trainer, "step", cut_step)
    assert train(drawings_folder, tmp_path, *SMALL) == INTERRUPTED
    assert not (tmp_path / LAST).exists() and not list(tmp_path.glob("*.pth"))


def test_the_weights_of_a_frozen_backbone_stay_and_then_move(drawings_folder, tmp_path, monkeypatch):
    seen = []
    step = Trainer.step

    def watched_step(self, batch):
        seen.append(next(self.model.backbone.parameters()).detach().clone())
        return step(self, batch)

    monkeypatch.setattr(Trainer, "step", watched_step)
    train(drawings_folder, tmp_path, *SMALL, "SOLVER.MAX_EPOCH", "1")
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[2], seen[3])


def test_a_run_with_an_unreadable_image_goes_on_names_it_and_resumes_to_the_bit(drawings_folder, tmp_path, capfd):
    folder = tmp_path / "drawings"
    shutil.copytree(drawings_folder, folder)
    trained = load_training_set(load_config(overrides=[*SETS, "DATASETS.ROOT", str(folder)]))
    Path(trained[5].path).write_bytes(b"")
    assert train(folder, tmp_path / "whole", *SMALL) == 0
    printed = capfd.readouterr()
    file = tmp_path / "whole/quarantine.csv"
    assert printed.err.count("the file is empty; another image is trained on instead") == 1
    assert f"1 images could not be read and were replaced in training: {file}" in printed.err
    (row,) = csv.DictReader(file.read_text().splitlines())
    assert row["path"] == trained[5].path and "the file is empty" in row["reason"] and int(row["count"]) >= 2
    with interrupted_after(6):
        assert train(folder, tmp_path / "cut", *SMALL) == INTERRUPTED
    assert train(folder, tmp_path / "cut", *SMALL, "DATALOADER.NUM_WORKERS", "1", resume=True) == 0
    assert_same_bits(weights(tmp_path / "whole")["model"], weights(tmp_path / "cut")["model"])
    capfd.readouterr()
    assert train(folder, tmp_path / "none", *SMALL, "DATALOADER.MAX_BROKEN", "0") == 1
    assert f"error: {trained[5].path}: cannot be read as a drawing: the file is empty\n" in capfd.readouterr().err


def test_a_checkpoint_of_an_older_version_is_resumed_with_what_it_can_tell(whole_run, drawings_folder, tmp_path, capfd):
    shutil.copytree(whole_run(*SMALL), tmp_path / "older")
    output = tmp_path / "older"
    make_older(output)
    assert train(drawings_folder, output, *SMALL, "SOLVER.IMS_PER_BATCH", "12", resume=True) == 1
    assert "batches an epoch" in capfd.readouterr().err
    decays = ["SOLVER.WEIGHT_DECAY", "0.1", "SOLVER.WEIGHT_DECAY_NORM", "0.2"]
    assert train(drawings_folder, output, *SMALL, *decays, resume=True) == 1
    assert "grouped by other learning rates" in capfd.readouterr().err
    assert train(drawings_folder, output, *SMALL, "MODEL.HEADS.EMBEDDING_DIM", "64", resume=True) == 1
    assert "another network" in capfd.readouterr().err
    assert train(drawings_folder, output, *SMALL, "SOLVER.MAX_EPOCH", "3", resume=True) == 0
    assert "the checkpoint is of an older version" in capfd.readouterr().out
    state = weights(output)
    for path in output.glob("model_*.pth"):
        torch.save({**state, "optimizer": {"state": {0: {}}, "names": []}}, path)
    assert train(drawings_folder, output, *SMALL, "SOLVER.MAX_EPOCH", "3", resume=True) == 1
    assert "the saved state of the optimizer does not fit it" in capfd.readouterr().err


def test_resume_without_a_checkpoint_starts_from_the_beginning(drawings_folder, tmp_path, capfd):
    assert train(drawings_folder, tmp_path, *SMALL, "SOLVER.MAX_EPOCH", "1", resume=True) == 0
    assert "starts from the beginning" in capfd.readouterr().out


def test_a_loss_that_is_not_finite_ends_the_run(drawings_folder, tmp_path, capfd):
    options = ["SOLVER.BASE_LR", "1e30", "SOLVER.OPT", "SGD", "SOLVER.FREEZE_ITERS", "0", "SOLVER.AMP.ENABLED", "False"]
    assert train(drawings_folder, tmp_path, *SMALL, *options) == 1
    assert "the loss became" in capfd.readouterr().err


def test_settings_that_cannot_train_are_one_sentence(drawings_folder, tmp_path, capfd):
    for number, (options, sentence) in enumerate(
        (
            (["DATALOADER.NUM_INSTANCE", "1", "SOLVER.IMS_PER_BATCH", "1"], "need two images or more"),
            (["SOLVER.GRAD_ACCUM_STEPS", "8", "DATALOADER.SAMPLER_TRAIN", "TrainingSampler"], "need two images or more"),
            (["MODEL.LOSSES.NAME", "()"], "MODEL.LOSSES.NAME is empty"),
            (["SOLVER.OPT", "LBFGS"], "SOLVER.OPT no optimizer is called 'LBFGS'"),
            (
                ["SOLVER.OPT", "SGD", "SOLVER.NESTEROV", "True", "SOLVER.MOMENTUM", "0"],
                "SOLVER.NESTEROV is True, which needs",
            ),
            (["INPUT.SIZE_TRAIN", "[1,1]"], "INPUT.SIZE_TRAIN: the network takes no images of 1 x 1"),
        )
    ):
        assert train(drawings_folder, tmp_path / str(number), *RESNET, *options) == 1, options
        errors = capfd.readouterr().err
        assert sentence in errors and "Traceback" not in errors
        assert not list(tmp_path.glob("*/*.pth"))


def test_every_other_optimizer_trains(drawings_folder, tmp_path):
    names = [name for name in OPTIMIZERS.names() if name not in ("Adam", "SGD")]
    assert len(names) >= 9
    few = [*SMALL, "SOLVER.MAX_EPOCH", "1", "TEST.EVAL_PERIOD", "0", "DATASETS.TESTS", "()", "SOLVER.BASE_LR", "1e-5"]
    for name in names:
        assert train(drawings_folder, tmp_path / name, *few, "SOLVER.OPT", name) == 0, name
