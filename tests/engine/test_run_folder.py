"""One run at a time in a folder, and none is replaced unless asked."""

import os
import signal
from pathlib import Path

import pytest
import torch

from fastpatent.commands import main
from fastpatent.engine.run_folder import MARK, PROJECTOR, own_run_folder, remove_run
from fastpatent.errors import ConfigError, DataError
from tests.engine.runs import SMALL, train, weights
from tests.forked import FORKED

HEX = "0123456789abcdef"


def hold(folder, held):
    with own_run_folder(folder, resume=True, overwrite=False):
        held.set()
        signal.pause()


def test_two_runs_at_once_are_refused(tmp_path):
    held = FORKED.Event()
    other = FORKED.Process(target=hold, args=(tmp_path, held), daemon=True)
    other.start()
    assert held.wait(60)
    for resume, overwrite in ((False, False), (True, False), (False, True)):
        with pytest.raises(DataError, match="another `fastpatent train` is writing"):
            with own_run_folder(tmp_path, resume, overwrite):
                pass
    other.kill()
    other.join()
    with own_run_folder(tmp_path, False, False):
        pass


def test_a_folder_with_a_run_asks_and_overwriting_removes_all_of_it(tmp_path):
    others = {"mine.txt", "gallery_Patent.png", "features", "model_of_mine.pth"}
    (tmp_path / "features").mkdir()
    for name in ("model_best.pth", "model_0003.pth", "last_checkpoint", "log.txt", "events.out.tfevents.1", *PROJECTOR):
        (tmp_path / name).write_text("of the first run")
    (tmp_path / "config.yaml").write_text(f"{MARK}\nSEED: 3\n")
    for name in others - {"features"}:
        (tmp_path / name).write_text("not of a training")
    with pytest.raises(ConfigError, match=r"a run that was stopped .*--resume continues it, --overwrite removes it"):
        with own_run_folder(tmp_path, False, False):
            pass
    (tmp_path / "model_final.pth").write_text("")
    with pytest.raises(ConfigError, match=r"a finished run \(model_final.pth\)"):
        with own_run_folder(tmp_path, False, False):
            pass
    with own_run_folder(tmp_path, True, False):
        assert (tmp_path / "model_best.pth").exists()
    with own_run_folder(tmp_path, False, True):
        assert (tmp_path / "model_best.pth").exists()  # until the new run is accepted
        remove_run(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == others | {".lock"}


def test_a_kill_while_a_run_is_removed_leaves_one_that_can_be_removed(tmp_path, monkeypatch):
    for name in ("model_best.pth", "last_checkpoint", "quarantine.csv", "events.out.tfevents.1"):
        (tmp_path / name).write_text("")
    (tmp_path / "config.yaml").write_text(MARK)

    def killed(path, missing_ok):
        os.unlink(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt), own_run_folder(tmp_path, overwrite=True):
            remove_run(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


def test_a_configuration_of_another_origin_is_not_replaced(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("# mine\nSEED: 3\n")
    for resume, overwrite in ((False, False), (True, False), (False, True)):
        with pytest.raises(ConfigError, match=f"{config} would be replaced, and no training has written it"):
            with own_run_folder(tmp_path, resume, overwrite):
                pass
    config.write_text(f"{MARK}\nSEED: 3\n")  # of a run that was stopped before its first checkpoint
    with own_run_folder(tmp_path, False, False):
        assert config.exists()


def test_temporary_files_of_a_killed_run_are_removed_and_those_of_other_commands_are_not(tmp_path):
    others = {f".{HEX}.result.npy", ".hidden", ".12.model_0001.pth", "model_0000.pth"}
    for name in (f".{HEX}.model_0001.pth", f".{HEX}.last_checkpoint", f".{HEX}.config.yaml", *others):
        (tmp_path / name).write_text("half")
    with own_run_folder(tmp_path, True, False):
        assert {path.name for path in tmp_path.iterdir()} == {*others, ".lock"}


@pytest.mark.slow
def test_the_commands_refuse_and_replace(drawings_folder, tmp_path, capfd):
    few = [*SMALL, "SOLVER.MAX_EPOCH", "1", "TEST.EVAL_PERIOD", "0"]
    assert train(drawings_folder, tmp_path, *few) == 0
    first = weights(tmp_path)["model"]
    assert train(drawings_folder, tmp_path, *few, "SEED", "1") == 1
    assert "holds a finished run" in capfd.readouterr().err
    name = next(name for name, value in first.items() if value.is_floating_point())
    assert torch.equal(weights(tmp_path)["model"][name], first[name])
    assert train(drawings_folder, tmp_path, *few, "SEED", "1", overwrite=True) == 0
    assert not torch.equal(weights(tmp_path)["model"][name], first[name])
    left = {path.name for path in tmp_path.iterdir()}
    for options in (["MODEL.WEIGHTS", "nowhere.pth"], ["DATASETS.ROOT", "nowhere"], ["SOLVER.GRAD_ACCUM_STEPS", "8"]):
        assert train(drawings_folder, tmp_path, *few, *options, overwrite=True) == 1
        assert {path.name for path in tmp_path.iterdir()} == left  # nothing is removed for a run that cannot begin
    capfd.readouterr()
    best = str(tmp_path / "model_best.pth")
    assert train(drawings_folder, tmp_path, *few, "MODEL.WEIGHTS", best, overwrite=True) == 1
    assert "--overwrite would remove MODEL.WEIGHTS" in capfd.readouterr().err
    assert main(["train", "--resume", "--overwrite"]) == 1
    assert "give one of them" in capfd.readouterr().err
    assert main(["train", "--resume", "logs/x/model_best.pth", "DATASETS.ROOT", "own"]) == 1
    assert "--resume takes no file, got logs/x/model_best.pth" in capfd.readouterr().err
