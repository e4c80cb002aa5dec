"""What a training remembers of itself, however it ends, and how a reader understands it."""

import json
import shutil
import signal
import subprocess

import numpy as np
import pytest

import fastpatent
from fastpatent.config import load_config
from fastpatent.data.load_datasets import load_test_set, load_training_set
from fastpatent.engine import trainer
from fastpatent.engine.meter import EpochMeter, LossMeter
from fastpatent.engine.run_folder import own_run_folder
from fastpatent.engine.run_record import HISTORY, RUN, History, git_state, read_history, read_run, recorded
from fastpatent.engine.trainer import Trainer
from fastpatent.errors import DataError
from tests.engine.run_folders import write_run
from tests.engine.runs import INTERRUPTED, SMALL, interrupt, interrupted_after, train, weights
from tests.forked import FORKED

CLOCK = "seconds", "images_per_second"


def untimed(folder):
    """The history of a run without what a clock has measured."""
    return [{name: value for name, value in line.items() if name not in CLOCK} for line in read_run(folder).history]


def test_a_finished_run_says_how_it_was_started_and_what_it_has_reached(whole_run, drawings_folder):
    folder = whole_run(*SMALL)
    run, cfg = read_run(folder), load_config(folder / "config.yaml")
    assert (run.state, run.reason, run.record["starts"]) == ("finished", "", [])
    assert run.record["started"] <= run.record["ended"]
    assert run.record["command"][:4] == ["fastpatent", "train", "DATASETS.ROOT", str(drawings_folder)]
    assert run.record["versions"]["numpy"] == np.__version__ and run.record["device"].startswith("cpu (")
    assert run.config["SOLVER.MAX_EPOCH"] == 2 and run.config["MODEL.BACKBONE.TIMM_NAME"] == "test_convnext"
    tested = load_test_set(cfg, "Drawings")
    lists = run.record["lists"]
    assert lists["train"]["images"] == len(load_training_set(cfg))
    assert lists["tests"]["Drawings"]["images"] == len(tested.query) + len(tested.gallery)
    assert [(line["epoch"], line["iteration"]) for line in run.history] == [(1, 4), (2, 8)]
    for line in run.history:
        low, high = line["intervals"]["Drawings"]["mAP"]
        assert low <= line["tests"]["Drawings"]["mAP"] <= high
        assert line["seconds"] > 4 * 8 / line["images_per_second"] > 0  # the steps are a part of it
    assert weights(folder)["best"] == max(line["tests"]["Drawings"]["mAP"] for line in run.history)


def test_losses_are_the_means_over_the_steps_of_the_epoch(drawings_folder, tmp_path, monkeypatch):
    seen, add = [], LossMeter.add

    def watched(self, losses):
        seen.append({name: value.item() for name, value in losses.items()})
        add(self, losses)

    monkeypatch.setattr(LossMeter, "add", watched)
    monkeypatch.setattr(trainer, "LOG_PERIOD", 3)  # reports of 3 and 1 steps, then of 2 and 2
    assert train(drawings_folder, tmp_path, *SMALL) == 0
    for line, steps in zip(read_history(tmp_path), (seen[:4], seen[4:]), strict=True):
        expected = {name: np.mean([step[name] for step in steps]) for name in steps[0]}
        assert line["losses"] == pytest.approx(expected, rel=1e-6)


# within a report, at the end of one, within the second epoch; and in an evaluation
@pytest.mark.parametrize("iteration", [2, 3, 5, None])
def test_a_run_that_was_stopped_has_the_history_of_one_that_was_not(iteration, drawings_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "LOG_PERIOD", 3)
    assert train(drawings_folder, tmp_path / "whole", *SMALL) == 0
    if iteration:
        with interrupted_after(iteration):
            assert train(drawings_folder, tmp_path / "cut", *SMALL) == INTERRUPTED
    else:
        with monkeypatch.context() as patched:
            patched.setattr(Trainer, "_measure", lambda self, epoch: interrupt())
            assert train(drawings_folder, tmp_path / "cut", *SMALL) == INTERRUPTED
    stopped = read_run(tmp_path / "cut")
    assert (stopped.state, stopped.reason) == ("stopped", "interrupted by Ctrl-C or SIGTERM")
    assert train(drawings_folder, tmp_path / "cut", *SMALL, resume=True) == 0
    run = read_run(tmp_path / "cut")
    assert run.state == "finished" and untimed(tmp_path / "cut") == untimed(tmp_path / "whole")
    assert [start["state"] for start in run.record["starts"]] == ["stopped"]
    assert run.record["starts"][0]["command"] == stopped.record["command"] and "--resume" in run.record["command"]


@pytest.mark.parametrize(
    "error, reason", [(DataError("a.png: is damaged"), "a.png: is damaged"), (ValueError("odd"), "ValueError: odd")]
)
def test_a_run_that_failed_says_why_and_another_one_begins_anew(error, reason, drawings_folder, tmp_path, monkeypatch):
    def failing(self, batch):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", failing)
        if isinstance(error, DataError):
            assert train(drawings_folder, tmp_path, *SMALL) == 1
        else:
            with pytest.raises(ValueError):
                train(drawings_folder, tmp_path, *SMALL)
    run = read_run(tmp_path)
    assert (run.state, run.reason, run.history) == ("failed", reason, [])
    few = ["SOLVER.MAX_EPOCH", "1", "TEST.EVAL_PERIOD", "0", "DATASETS.TESTS", "()"]
    assert train(drawings_folder, tmp_path, *SMALL, *few) == 0
    run = read_run(tmp_path)
    assert (run.state, run.record["starts"], [line["tests"] for line in run.history]) == ("finished", [], [{}])


def hold(folder, held):
    with own_run_folder(folder, resume=True), recorded(folder, {"processes": 1}, resumed=True):
        held.set()
        signal.pause()


def test_a_run_goes_on_until_its_process_is_gone(whole_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole_run(*SMALL), folder)
    held = FORKED.Event()
    process = FORKED.Process(target=hold, args=(folder, held), daemon=True)
    process.start()
    assert held.wait(60)
    run = read_run(folder)
    assert (run.state, len(run.record["starts"]), len(run.history)) == ("running", 1, 2)
    process.kill()
    process.join()
    assert read_run(folder)[2:4] == ("stopped", "killed")
    for changed, reason in (({"processes": 2}, ", or ended by another of its processes"), ({"host": "b"}, "; it ran on b")):
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        shutil.copy(folder / "config.yaml", tmp_path / "elsewhere")
        (tmp_path / "elsewhere" / RUN).write_text(json.dumps(json.loads((folder / RUN).read_text()) | changed))
        assert read_run(tmp_path / "elsewhere")[2:4] == ("stopped", f"killed{reason}")
    with own_run_folder(folder, resume=True), recorded(folder, {}, resumed=True):
        assert read_run(folder).state == "running"  # also where the reader holds the lock itself
    assert [start["state"] for start in read_run(folder).record["starts"]] == ["finished", "stopped"]


def test_runs_of_older_versions_are_read_and_what_is_no_run_is_named(whole_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole_run(*SMALL), folder)
    for damaged in ("", "[]", "{}", '{"state": "odd", "reason": ""}', '{"state": []}', "[" * 10**5, "\xff"):
        (folder / RUN).write_text(damaged, encoding="latin-1")
        with pytest.raises(DataError, match=f"{folder / RUN}: cannot be read"):
            read_run(folder)
    (folder / RUN).unlink()
    (folder / HISTORY).unlink()
    assert read_run(folder)[2:] == ("finished", "", {}, [])
    (folder / "model_final.pth").unlink()
    assert read_run(folder).state == "stopped"
    config = folder / "config.yaml"
    config.write_text(config.read_text().partition("\n")[0] + "\nA: [")
    with pytest.raises(DataError, match=f"{config}: cannot be read as the configuration of a run"):
        read_run(folder)
    config.write_text("A: 1")
    for odd in (folder, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match=f"{odd}: is no run"):
            read_run(odd)


def test_what_matters_at_the_start_is_that_of_the_first_start(tmp_path):
    """The config.yaml of a resumed run names no pretrained weights."""
    first = "MODEL: {WEIGHTS: a.pth, BACKBONE: {PRETRAIN: true}}\nSOLVER: {BASE_LR: 0.1}"
    last = "MODEL: {WEIGHTS: b.pth, BACKBONE: {PRETRAIN: false}}\nSOLVER: {BASE_LR: 0.2}"
    folder = write_run(tmp_path / "run", config=last, starts=[{"config": first}])
    assert read_run(folder).config == {"MODEL.WEIGHTS": "a.pth", "MODEL.BACKBONE.PRETRAIN": True, "SOLVER.BASE_LR": 0.2}
    for damaged in ({"config": 3}, {"config": "A: ["}, {"config": last, "starts": [3]}, {"config": "A: 1\n" * 2**17}):
        record = {"state": "finished", "reason": "", **damaged}
        (folder / RUN).write_text(json.dumps(record))
        with pytest.raises(DataError, match=f"{folder / RUN}: cannot be read as the configuration of a run"):
            read_run(folder)


def test_a_history_skips_what_is_damaged_and_drops_what_came_after_the_checkpoint(tmp_path):
    lines = [json.dumps({"epoch": epoch, "losses": {}}) for epoch in (1, 2, 3)]
    text = "\n".join([lines[0], "[3]", '{"epoch": "2"}', "[" * 10**5, lines[1], lines[2], lines[2][:9]])
    (tmp_path / HISTORY).write_text(text)
    assert [line["epoch"] for line in read_history(tmp_path)] == [1, 2, 3]
    History(tmp_path, 2).add({"epoch": 3})
    assert [line["epoch"] for line in read_history(tmp_path)] == [1, 2, 3]
    assert (tmp_path / HISTORY).read_text().startswith("\n".join(lines[:2]))
    History(tmp_path)
    assert read_history(tmp_path) == [] and read_history(tmp_path / "nowhere") == []


def test_a_history_that_cannot_be_written_ends_with_one_warning(tmp_path, caplog):
    history = History(tmp_path)
    history.path.unlink()
    history.path.symlink_to(tmp_path / "elsewhere")
    history.add({"epoch": 1})
    history.path.unlink()
    history.add({"epoch": 2})
    assert len(caplog.records) == 1 and f"{history.path} ends here" in caplog.text
    assert not list(tmp_path.iterdir())


def test_sums_of_a_checkpoint_that_contradict_each_other_are_refused():
    meter, epoch = LossMeter(None), EpochMeter()
    whole = epoch.state()
    for wrong in (
        {}, {**whole, "steps": -1}, {**whole, "steps": 3}, {**whole, "sums": {"total": 1.0}}, {**whole, "seconds": 10**400},
        {**whole, "sums": {"total": float("nan")}, "steps": 1}, {**whole, "sums": 3}, {**whole, "rate": []},
        {**whole, "rate": 10**400},
    ):  # fmt: skip
        with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
            epoch.restore(wrong)
    counts = [{"sums": {}, "count": count} for count in (-1, "1", float("inf"), 10**400)]
    for wrong in ({}, *counts, {"sums": {"total": "x"}, "count": 1}, {"sums": [], "count": 0}):
        with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
            meter.restore(wrong)


def test_the_state_of_the_checkout_changes_with_its_files(tmp_path, monkeypatch):
    (tmp_path / "package").mkdir()
    code = tmp_path / "package/__init__.py"
    code.write_text("a = 1\n")
    monkeypatch.setattr(fastpatent, "__file__", str(code))
    assert git_state() is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    clean = git_state()
    assert len(clean["commit"]) == 40 and clean["changes"] == ""
    code.write_text("a = 2\n")
    changed = git_state()
    (tmp_path / "new.py").write_text("")
    assert changed["commit"] == clean["commit"] and len({changed["changes"], git_state()["changes"], ""}) == 3
