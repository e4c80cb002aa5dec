"""A study that processes share: who runs which trial, what survives a kill, a full disk and damage."""

import errno
import json
import multiprocessing
import os
import signal
from pathlib import Path

import optuna
import pytest

from fastpatent.config import load_config
from fastpatent.errors import ConfigError, DataError

LINE = "TEST.AQE.QE_K: {low: 1, high: 20}\n"
FORK = multiprocessing.get_context("fork")


def work(open_study, results, sampler="grid", most=100):
    """Run trials to the end; what they reach is their value."""
    study = open_study(LINE, sampler, most)
    while trial := study.next():
        trial.finish(float(trial.values["TEST.AQE.QE_K"]))
        results.put((os.getpid(), trial.number))


def test_processes_share_the_points_of_a_grid(open_study):
    results = FORK.Queue()
    others = [FORK.Process(target=work, args=(open_study, results)) for _ in range(2)]
    for other in others:
        other.start()
    work(open_study, results)
    for other in others:
        other.join()
    found = [results.get(timeout=5) for _ in range(20)]
    assert results.empty() and sorted(number for _, number in found) == [*range(20)]
    rows = open_study(LINE).rows()
    assert sorted(row.value for row in rows) == [*range(1, 21)] and {row.state for row in rows} == {"finished"}


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_trial_has_its_random_numbers_in_whichever_process(sampler, open_study):
    def values(folder, calls):
        for most in calls:
            study = open_study(LINE, sampler, most, folder=folder)
            while trial := study.next():
                trial.finish(float(trial.values["TEST.AQE.QE_K"]))
        return [row.value for row in study.rows()]

    once, thrice = values("once", [14]), values("thrice", [5, 11, 14])
    assert once == thrice and len({*once}) > 4


def test_the_trial_of_a_killed_process_goes_on_and_that_of_a_live_one_does_not(open_study):
    begun, end = FORK.Event(), FORK.Event()

    def hold(kill):
        trial = open_study(LINE).next()  # which keeps the lock
        begun.set()
        os.kill(os.getpid(), signal.SIGKILL) if kill else end.wait(20)
        assert trial

    other = FORK.Process(target=hold, args=(False,))
    other.start()
    assert begun.wait(20)
    study = open_study(LINE)
    assert study.next().number == 1 and study.is_busy()
    end.set()
    other.join()
    assert study.next().number == 0
    killed = FORK.Process(target=hold, args=(True,))
    killed.start()
    killed.join()
    trial = study.next()
    assert trial.number == 2 and trial.values["TEST.AQE.QE_K"] == 3


def test_a_training_that_outlives_its_sweep_is_waited_for(open_study):
    open_study(LINE).next().leave()
    begun, end = FORK.Event(), FORK.Event()

    def train():
        from fastpatent.data.lock import only_writer

        os.makedirs("study/trial_0000")
        with only_writer("study/trial_0000", "fastpatent train"):
            begun.set()
            end.wait(20)

    orphan = FORK.Process(target=train)
    orphan.start()
    assert begun.wait(20)
    study = open_study(LINE)
    assert study.next().number == 1
    end.set()
    orphan.join()
    assert study.next().number == 0


@pytest.mark.parametrize(
    "text, sampler, overrides, complaint",
    [
        ("TEST.AQE.QE_K: [1, 2]\n", "grid", [], "another space: TEST.AQE.QE_K is 1 to 20 there and [1; 2] here"),
        (LINE + "TEST.METRIC: [cosine]\n", "grid", [], "another space: TEST.METRIC is not there and [cosine] here"),
        (LINE, "tpe", [], "another sampler: --sampler is grid there and tpe here"),
        (LINE, "grid", ["SEED", "5", "INPUT.SIZE_TEST", "[8,9]"],
         "another configuration: SEED is 0 there and 5 here; INPUT.SIZE_TEST is 256, 128 there and 8, 9 here"),
    ],
)  # fmt: skip
def test_a_study_of_something_else_is_refused(text, sampler, overrides, complaint, open_study):
    open_study(LINE)
    with pytest.raises(ConfigError) as caught:
        open_study(text, sampler, cfg=load_config(overrides=overrides))
    assert str(caught.value) == f"--out study: holds a study of {complaint}; choose another --out"
    open_study(LINE, cfg=load_config(overrides=["OUTPUT_DIR", "elsewhere", "MODEL.DEVICE", "cpu", "TEST.AQE.QE_K", "9"]))


def test_a_full_disk_leaves_a_study_that_is_read_and_goes_on(open_study, monkeypatch):
    study = open_study(LINE)
    trial, before = study.next(), Path("study/journal.log").read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left on device: 'study/journal.log'"):
            trial.finish(0.5)
    assert Path("study/journal.log").read_bytes() == before
    assert [row.state for row in open_study(LINE).rows()] == ["running"]
    trial.finish(0.5)
    assert [row.value for row in open_study(LINE).rows()] == [0.5]


def test_half_a_line_that_a_kill_has_left_is_cut_off(open_study):
    open_study(LINE).next().finish(1.0)
    with open("study/journal.log", "ab") as file:
        file.write(b'{"op_code":4,"wor')
    open_study(LINE).next().finish(2.0)
    assert [row.value for row in open_study(LINE).rows()] == [1.0, 2.0]
    assert all(json.loads(line) for line in Path("study/journal.log").read_text().splitlines())


def test_a_grid_whose_beginning_was_interrupted_is_whole(open_study, monkeypatch):
    enqueue, before = optuna.Study.enqueue_trial, []

    def interrupted(self, params):
        if len(before) == 7:
            raise KeyboardInterrupt
        before.append(params)
        enqueue(self, params)

    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "enqueue_trial", interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_study(LINE)
    study = open_study(LINE)
    values = []
    while trial := study.next():
        values.append(trial.values["TEST.AQE.QE_K"])
        trial.finish(1.0)
    assert values == [*range(1, 21)]


@pytest.mark.parametrize("content", [b"my diary\n", b'{"op_code":0}\n', b'{"op_code":[]\n{"op_code":0}\n'])
def test_a_journal_that_is_none_is_refused_and_stays(content, open_study):
    os.mkdir("study")
    Path("study/journal.log").write_bytes(content)
    with pytest.raises(DataError, match="^study/journal.log: is not the journal of a sweep, or is damaged"):
        open_study(LINE)
    assert Path("study/journal.log").read_bytes() == content
    os.remove("study/journal.log")
    open_study(LINE).next().finish(1.0)
    values = Path("study/journal.log").read_bytes()
    Path("study/journal.log").write_bytes(values.replace(b'"values":[1.0]', b'"values":["1"]'))
    with pytest.raises(DataError, match="^study/journal.log: is not the journal of a sweep, or is damaged"):
        open_study(LINE)
    os.remove("study/journal.log")
    os.symlink("elsewhere", "study/journal.log")
    with pytest.raises(DataError, match="is a link"):
        open_study(LINE)
    assert not os.path.exists("elsewhere")


def test_the_best_by_the_mean_over_seeds_comes_first(open_study):
    study = open_study(LINE)
    for value in (0.5, 0.8, 0.7, 0.1):
        study.next().finish(value)
    study.next().fail("no luck")
    assert [row.number for row in study.ranked()] == [1, 2, 0, 3]
    study.repeat(2, [1, 2])
    study.repeat(2, [1, 2])  # of another process: nothing is repeated twice
    seeds = []
    while trial := study.next_seed():
        seeds.append((trial.values["TEST.AQE.QE_K"], trial.values["SEED"]))
        trial.finish(0.4 if trial.values["TEST.AQE.QE_K"] == 2 else 0.75)
    assert seeds == [(2, 1), (2, 2), (3, 1), (3, 2)]  # the values of the trials 1 and 2
    ranked = open_study(LINE).ranked()
    assert [row.number for row in ranked] == [2, 1, 0, 3]
    assert ranked[1].mean == pytest.approx((0.8 + 0.4 + 0.4) / 3)
    assert [(row.number, row.why) for row in study.rows() if row.state == "failed"] == [(4, "no luck")]


def test_the_key_that_decides_is_the_important_one(open_study):
    text = "TEST.AQE.QE_K: {low: 1, high: 5}\nTEST.AQE.ALPHA: [0.0, 1.0, 2.0, 3.0]\n"
    study = open_study(text)
    assert study.importance() == {}
    while trial := study.next():
        trial.finish(trial.values["TEST.AQE.ALPHA"] + 0.1 * trial.values["TEST.AQE.QE_K"])
    importance = study.importance()
    # of independent keys the shares of the variance follow from their own: 1.25 to 0.02
    assert importance["TEST.AQE.ALPHA"] == pytest.approx(1.25 / 1.27, abs=0.05)
    assert sum(importance.values()) == pytest.approx(1)
