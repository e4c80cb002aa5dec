"""`fastpatent reproduce`: a run that was stopped is reproduced in one go, and what is not as it was is said."""

import json
import shutil

import pytest

from fastpatent.commands import main
from fastpatent.engine.run_record import HISTORY, RUN, read_run
from tests.engine.run_folders import write_run
from tests.engine.runs import INTERRUPTED, SMALL, interrupted_after, train, weights
from tests.polygons import write_designs


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """(Folder of the drawings, of a run that was resumed within its first epoch, of the run that reproduces it)."""
    folder = tmp_path_factory.mktemp("reproduced")
    write_designs(folder / "drawings", 12, size=48, seed=0)
    with interrupted_after(3):
        assert train(folder / "drawings", folder / "run", *SMALL) == INTERRUPTED
    assert train(folder / "drawings", folder / "run", *SMALL, resume=True) == 0
    assert main(["reproduce", str(folder / "run")]) == 0
    return folder / "drawings", folder / "run", folder / "run_reproduced"


@pytest.fixture
def pair(reproduced, tmp_path):
    """Function of words that runs the command on copies of both runs; and the copies."""
    run, again = tmp_path / "run", tmp_path / "again"
    shutil.copytree(reproduced[1], run)
    shutil.copytree(reproduced[2], again)
    for name in ("reproduced.yml", RUN):  # a folder that was moved
        (again / name).write_text((again / name).read_text().replace(str(reproduced[2]), str(again)))
    return run, again, lambda *words: main(["reproduce", str(run), "--output-dir", str(again), *words])


def test_a_resumed_run_is_reproduced_to_the_bit_in_one_go(reproduced, pair, capfd):
    import torch

    _, run, again = reproduced
    assert len(read_run(run).record["starts"]) == 1 and read_run(again).record["starts"] == []
    for name, value in weights(run)["model"].items():
        assert torch.equal(value, weights(again)["model"][name]), name
    assert pair[2]() == 0  # it has been trained already, and is compared as it is
    printed = capfd.readouterr()
    assert "losses: equal to the bit, 6 numbers of 2 epochs" in printed.out
    assert "metrics: equal to the bit" in printed.out and f"{pair[0]} is reproduced by {pair[1]}" in printed.out
    assert "not as it was" not in printed.err


def test_the_largest_differences_are_named_and_the_tolerance_decides(pair, capfd):
    run, again, reproduce = pair
    lines = [json.loads(line) for line in (run / HISTORY).read_text().splitlines()]
    lines[1]["tests"]["Drawings"]["mAP"] += 0.25
    lines[1]["losses"]["total"] = 0.0
    lines[0]["losses"]["loss_gone"] = 1.0
    (run / HISTORY).write_text("\n".join(map(json.dumps, lines)))
    mean = read_run(again).history[1]["tests"]["Drawings"]["mAP"]
    assert reproduce("--tolerance", "0.2") == 1
    printed = capfd.readouterr().out
    expected = f"0.25: Drawings/mAP of epoch 2, {mean + 0.25:.8g} then, {mean:.8g} now"
    assert f"metrics: differ from epoch 2 on, of 2 epochs; the largest difference is {expected}" in printed
    assert "the largest difference is loss_gone of epoch 1, 1 then, missing now" in printed
    assert f"{run} is not reproduced within 0.2 by {again}" in printed
    assert reproduce("--tolerance", "0.3") == 0


def test_what_is_not_as_it_was_is_said_in_one_line_each(pair, capfd):
    run, _, reproduce = pair
    record = json.loads((run / RUN).read_text())
    record["versions"] |= {"torch": "1.0", "numpy": "1.0"}
    changed = {"device": "cuda (a GPU)", "git": {"commit": "a" * 40, "changes": ""}, "weights": "b" * 64, "state": "stopped"}
    record["starts"][0]["config"] = record["config"].replace("SEED: 0", "SEED: 1")
    (run / RUN).write_text(json.dumps({**record, **changed}))
    assert reproduce() == 0
    lines = [line for line in capfd.readouterr().err.splitlines() if "not as it was" in line]
    begins = ["the run was stopped; 2", "the run was resumed with other", "versions: torch 1.0, numpy 1.0 then, torch 2"]
    begins += ["device: cuda (a GPU) then, cpu (", f"git: commit {'a' * 40}", f"weights: {'b' * 64} then, none now"]
    assert len(lines) == len(begins)
    for line, begin in zip(lines, begins):
        assert line.startswith(f"warning: not as it was: {begin}"), line


def test_changed_lists_are_an_error_unless_asked_for(reproduced, pair, tmp_path, capfd):
    drawings, run, _ = reproduced
    (drawings / "d0/0.png").rename(drawings / "d0/zero.png")
    try:
        words = ["reproduce", str(run), "--output-dir", str(tmp_path / "new")]
        assert main(words) == 1
        assert "training set: 36 images of 9 identities then, 36 images of 9 identities now" in (
            errors := capfd.readouterr().err
        )
        assert "; --changed-data reproduces the run with what is there now" in errors
        assert main([*words, "--changed-data"]) in (0, 1)
        printed = capfd.readouterr()
        assert "warning: not as it was: training set: " in printed.err and "losses: differ from epoch 1 on" in printed.out
    finally:
        (drawings / "d0/zero.png").rename(drawings / "d0/0.png")


def test_what_cannot_be_reproduced_is_one_sentence(pair, tmp_path, capfd):
    run, again, reproduce = pair
    older = write_run(tmp_path / "older")
    (older / RUN).unlink()
    other = write_run(tmp_path / "other")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/reproduced.yml").write_text("mine")
    for words, sentence in (
        ([str(tmp_path)], "is no run"),
        ([str(older)], "the run is of an older version, which recorded too little"),
        ([str(run), "--output-dir", str(run)], "is the run itself"),
        ([str(run), "--output-dir", str(other)], "holds another run: its"),
        ([str(run), "--output-dir", str(tmp_path / "theirs")], "was not written by this command"),
        ([str(run), "--tolerance", "-1"], "--tolerance: -1.0 is not at least 0"),
    ):
        assert main(["reproduce", *words]) == 1, sentence
        assert sentence in capfd.readouterr().err
    assert (tmp_path / "theirs/reproduced.yml").read_text() == "mine" and not (other / "model_best.pth").exists()
