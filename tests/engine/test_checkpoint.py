import os
import random

import numpy as np
import pytest
import torch

from fastpatent.engine import checkpoint
from fastpatent.errors import CheckpointError

CPU = torch.device("cpu")


def draw():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_random_states_survive_a_file(tmp_path):
    torch.manual_seed(3)
    np.random.randn(1)  # leaves a spare gauss number in the state
    path = checkpoint.save_checkpoint(tmp_path, "a.pth", {"iteration": 1, "random": checkpoint.random_state(CPU)})
    expected = draw(), np.random.randn(3).tolist()
    checkpoint.restore_random_state(checkpoint.load_checkpoint(path)["random"], CPU)
    assert (draw(), np.random.randn(3).tolist()) == expected


def test_a_state_of_numpy_that_reads_outside_or_draws_for_ever_is_refused():
    state = checkpoint.random_state(CPU)
    name, keys, position, *rest = state["numpy"]
    for wrong in ((keys, -5), (keys, 625), (keys, 2 * 10**9)):
        with pytest.raises(CheckpointError, match="states of the random generators are damaged: NumPy's"):
            checkpoint.restore_random_state({**state, "numpy": (name, *wrong, *rest)}, CPU)


def test_states_that_draw_one_number_for_ever_are_refused():
    """Of the first number of a Mersenne Twister only the highest bit counts."""
    state = checkpoint.random_state(CPU)
    (version, numbers, _), (name, keys, position, *rest) = state["python"], state["numpy"]
    first = torch.zeros_like(keys)
    first[0] = 1
    wrong = {"python": (version, (1, *[0] * 623, 624), None), "numpy": (name, first, position, *rest)}
    wrong["torch"] = state["torch"].clone()
    wrong["torch"][24 : 24 + 8 * 624] = 0  # after its seed and two counts, 624 numbers of 8 bytes
    for part, value in wrong.items():
        with pytest.raises(CheckpointError, match="damaged: one draws nothing but 0"):
            checkpoint.restore_random_state({**state, part: value}, CPU)
    for part, value in {"python": (version, numbers, "x"), "numpy": (name, keys, position, 1, float("nan"))}.items():
        with pytest.raises(CheckpointError, match="damaged: (Python's|NumPy's)"):
            checkpoint.restore_random_state({**state, part: value}, CPU)
    checkpoint.restore_random_state(state, CPU)
    assert random.getstate() == state["python"] and torch.equal(torch.get_rng_state(), state["torch"])


def test_last_checkpoint_names_the_newest(tmp_path):
    assert checkpoint.last_checkpoint(tmp_path) is None
    for name in ("a.pth", "b.pth"):
        checkpoint.save_checkpoint(tmp_path, name, {"iteration": 1})
    checkpoint.save_checkpoint(tmp_path, "best.pth", {"model": {}}, resume_from=False)
    assert checkpoint.last_checkpoint(tmp_path) == tmp_path / "b.pth"


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = checkpoint.save_checkpoint(tmp_path, "a.pth", {"iteration": 1})

    def full(state, target):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match="a.pth could not be written.*No space left"):
        checkpoint.save_checkpoint(tmp_path, "a.pth", {"iteration": 2})
    assert checkpoint.load_checkpoint(path)["iteration"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pth", "last_checkpoint"]


def test_what_is_no_training_state_is_refused(tmp_path):
    torch.save({"model": {}}, tmp_path / "weights.pth")
    (tmp_path / "torn.pth").write_bytes((tmp_path / "weights.pth").read_bytes()[:100])
    for name, reason in (("none.pth", "no such"), ("weights.pth", "MODEL.WEIGHTS"), ("torn.pth", "is damaged")):
        with pytest.raises(CheckpointError, match=f"{name}.*{reason}"):
            checkpoint.load_checkpoint(tmp_path / name)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    torch.save({"iteration": 1, "model": draw}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="evil.pth: refused: it needs"):
        checkpoint.load_checkpoint(tmp_path / "evil.pth")


def state(iteration):
    counts = {"iteration": iteration, "finished_epochs": 0, "best_epoch": 0, "batches_per_epoch": 9, "best": -1.0}
    return {**counts, "model": {"a": torch.arange(999)}, "optimizer": {}, "scaler": {}, "random": [], "mined": None}


def flip(path, place):
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_any_changed_bit_of_the_tensors_is_noticed(tmp_path):
    """torch itself writes checksums and does not compare them."""
    path = checkpoint.save_checkpoint(tmp_path, "a.pth", state(1))
    start = path.read_bytes().index(torch.arange(999).numpy().tobytes())
    flip(path, start + 1000)
    assert torch.load(path, weights_only=True)["iteration"] == 1
    with pytest.raises(CheckpointError, match="a.pth: is damaged"):
        checkpoint.load_checkpoint(path)


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(tmp_path, caplog):
    for number in range(3):
        path = checkpoint.save_checkpoint(tmp_path, f"model_{number:04d}.pth", state(number))
        os.utime(path, (number, number))
    checkpoint.save_checkpoint(tmp_path, "model_best.pth", {"model": {}}, resume_from=False)
    assert checkpoint.read_last_checkpoint(tmp_path)[0] == tmp_path / "model_0002.pth" and not caplog.text
    flip(tmp_path / "model_0002.pth", 3000)
    path, found = checkpoint.read_last_checkpoint(tmp_path)
    assert (path, found["iteration"]) == (tmp_path / "model_0001.pth", 1) and "model_0002.pth" in caplog.text
    (tmp_path / "last_checkpoint").write_bytes(b"\xff\0../../model_0000.pth")
    assert checkpoint.read_last_checkpoint(tmp_path)[0].parent == tmp_path
    for path in tmp_path.glob("model_0*"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=f"no checkpoint in {tmp_path} can be used; --overwrite"):
        checkpoint.read_last_checkpoint(tmp_path)


def test_a_checkpoint_with_values_of_another_kind_is_named_and_the_one_before_is_used(tmp_path, caplog):
    checkpoint.save_checkpoint(tmp_path, "model_0000.pth", state(0))
    for name, value in (("model", None), ("iteration", "1"), ("random", {}), ("best", None), ("mined", [])):
        checkpoint.save_checkpoint(tmp_path, "model_0001.pth", {**state(1), name: value})
        assert checkpoint.read_last_checkpoint(tmp_path)[0].name == "model_0000.pth"
        assert f"model_0001.pth is no complete training state: it lacks {name}" in caplog.text
    numbers = {"iteration": (-1, True, 2**70, 10**15, 10), "finished_epochs": (-1, 2), "best_epoch": (-1, 9)}
    numbers |= {"batches_per_epoch": (0, -9), "best": (10**400, float("nan"))}
    numbers |= {"best_metric": ([], torch.zeros(2), 3), "test_set": (3,), "trained": ([],)}
    for name, values in numbers.items():
        for value in values:
            caplog.clear()
            checkpoint.save_checkpoint(tmp_path, "model_0001.pth", {**state(1), name: value})
            assert checkpoint.read_last_checkpoint(tmp_path)[0].name == "model_0000.pth"
            assert "training state: it" in caplog.text, (name, value)
    for value in ({}, {"python": (3, [0], None)}, {**checkpoint.random_state(CPU), "torch": torch.zeros(3)}):
        with pytest.raises(CheckpointError, match="^--resume: the states of the random generators are damaged"):
            checkpoint.restore_random_state(value, CPU)


def test_without_a_run_there_is_nothing_to_resume(tmp_path):
    torch.save({"model": {}}, tmp_path / "model_of_the_user.pth")
    assert checkpoint.read_last_checkpoint(tmp_path) is None


def test_the_last_few_of_the_periodic_checkpoints_stay(tmp_path):
    names = ["model_0000.pth", "model_0001.pth", "model_9999.pth", "model_10000.pth", "model_best.pth", "model_final.pth"]
    for keep, left in ((0, names), (2, names[2:]), (1, names[3:])):
        for name in names:
            (tmp_path / name).write_text("")
        checkpoint.remove_old_checkpoints(tmp_path, keep)
        assert {path.name for path in tmp_path.iterdir()} == {*left}
