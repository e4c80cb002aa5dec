import os
import signal

import pytest
import torch

from fastpatent.commands import main
from fastpatent.engine import trainer
from fastpatent.engine.checkpoint import LAST

RESNET = ["MODEL.BACKBONE.DEPTH", "18x", "MODEL.BACKBONE.WITH_IBN", "True"]
SMALL = ["MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", "test_convnext", "MODEL.BACKBONE.DROP_PATH_RATIO", "0.5"]
STEPS = 8  # 9 training identities x 4 drawings in batches of 8: 4 an epoch, 2 epochs


def train(root, output, *options, resume=False):
    """Run two epochs of four steps each; return the exit status."""
    return main([
        "train", *(["--resume"] if resume else []),
        "DATASETS.ROOT", str(root), "DATASETS.NAMES", "('Drawings',)", "DATASETS.TESTS", "('Drawings',)",
        "DATASETS.DRAWINGS.VAL_FRACTION", "0.25", "MODEL.DEVICE", "cpu", "OUTPUT_DIR", str(output),
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


def weights(folder, name="model_final.pth"):
    return torch.load(folder / name, weights_only=True)


def assert_same_bits(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


@pytest.fixture(scope="module")
def never_stopped(drawings_folder, tmp_path_factory):
    """Return a function that gives the folder of a whole run of a network, made once."""
    folders = {}

    def folder_of(network):
        if tuple(network) not in folders:
            folders[tuple(network)] = folder = tmp_path_factory.mktemp("whole")
            assert train(drawings_folder, folder, *network) == 0
        return folders[tuple(network)]

    return folder_of


# while frozen, within an epoch, at its end, after an evaluation; with batch norm and with random paths
@pytest.mark.parametrize("network, stop_at", [(SMALL, 1), (SMALL, 3), (SMALL, 4), (SMALL, 6), (RESNET, 6)])
def test_a_run_stopped_anywhere_and_resumed_gives_the_same_bits(
    network, stop_at, never_stopped, drawings_folder, tmp_path, monkeypatch
):
    step = trainer.Trainer.step

    def stopped_step(self, batch):
        rate = step(self, batch)
        if self.position.iteration == stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return rate

    with monkeypatch.context() as patched:
        patched.setattr(trainer.Trainer, "step", stopped_step)
        assert train(drawings_folder, tmp_path, *network) == 130
    assert (tmp_path / LAST).read_text() == "model_interrupted.pth"
    workers = ["DATALOADER.NUM_WORKERS", "1"] if stop_at == 3 else []  # neither may matter
    assert train(drawings_folder, tmp_path, *network, *workers, resume=True) == 0
    expected, found = weights(never_stopped(network)), weights(tmp_path)
    assert found["iteration"] == STEPS
    assert_same_bits(expected["model"], found["model"])
    assert expected["best"] == found["best"]
    assert_same_bits(
        weights(never_stopped(network), "model_best.pth")["model"], weights(tmp_path, "model_best.pth")["model"]
    )


def test_a_run_stopped_during_an_evaluation_takes_it_up_again(never_stopped, drawings_folder, tmp_path, monkeypatch):
    def interrupted(self, epoch):
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(trainer.Trainer, "_measure", interrupted)
        assert train(drawings_folder, tmp_path, *SMALL) == 130
    assert weights(tmp_path, "model_interrupted.pth")["finished_epochs"] == 0
    assert train(drawings_folder, tmp_path, *SMALL, resume=True) == 0
    assert_same_bits(weights(never_stopped(SMALL))["model"], weights(tmp_path)["model"])
    assert (tmp_path / "model_best.pth").is_file()


def test_a_step_cut_in_two_by_a_second_interrupt_is_not_saved(drawings_folder, tmp_path, monkeypatch):
    step = trainer.Trainer.step

    def cut_step(self, batch):
        step(self, batch)  # the weights have moved; what follows belongs to the same step
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(trainer.Trainer, "step", cut_step)
    assert train(drawings_folder, tmp_path, *SMALL) == 130
    assert not (tmp_path / LAST).exists() and not list(tmp_path.glob("*.pth"))


def test_the_weights_of_a_frozen_backbone_stay_and_then_move(drawings_folder, tmp_path, monkeypatch):
    seen = []
    step = trainer.Trainer.step

    def watched_step(self, batch):
        seen.append(next(self.model.backbone.parameters()).detach().clone())
        return step(self, batch)

    monkeypatch.setattr(trainer.Trainer, "step", watched_step)
    train(drawings_folder, tmp_path, *SMALL)
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[2], seen[3])


def test_resume_refuses_another_batch_size_and_another_network(never_stopped, drawings_folder, capfd):
    output = never_stopped(SMALL)
    assert train(drawings_folder, output, *SMALL, "SOLVER.IMS_PER_BATCH", "12", resume=True) == 1
    assert "batches an epoch" in capfd.readouterr().err
    assert train(drawings_folder, output, *SMALL, "MODEL.HEADS.EMBEDDING_DIM", "64", resume=True) == 1
    assert "another network" in capfd.readouterr().err


def test_resume_without_a_checkpoint_starts_from_the_beginning(drawings_folder, tmp_path, capfd):
    assert train(drawings_folder, tmp_path, *SMALL, "SOLVER.MAX_EPOCH", "1", resume=True) == 0
    assert "starts from the beginning" in capfd.readouterr().out


def test_a_loss_that_is_not_finite_ends_the_run(drawings_folder, tmp_path, capfd):
    options = ["SOLVER.BASE_LR", "1e30", "SOLVER.OPT", "SGD", "SOLVER.FREEZE_ITERS", "0", "SOLVER.AMP.ENABLED", "False"]
    assert train(drawings_folder, tmp_path, *SMALL, *options) == 1
    assert "the loss became" in capfd.readouterr().err
