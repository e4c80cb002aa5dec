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
    for name, reason in (("none.pth", "no such"), ("weights.pth", "MODEL.WEIGHTS"), ("torn.pth", "cannot be read")):
        with pytest.raises(CheckpointError, match=f"{name}.*{reason}"):
            checkpoint.load_checkpoint(tmp_path / name)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    torch.save({"iteration": 1, "model": draw}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="evil.pth cannot be read"):
        checkpoint.load_checkpoint(tmp_path / "evil.pth")
