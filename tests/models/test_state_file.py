"""What a weights file holds beside its parameters, and what it may not ask for."""

import pickle

import numpy as np
import pytest
import torch

from fastpatent.errors import CheckpointError
from fastpatent.models.state_file import read_state_file


def test_what_stands_beside_the_parameters_is_kept(tmp_path):
    weight = torch.arange(3.0)
    rest = {"epoch": 7, "metric": np.float64(0.25), "scheduler": {"last": 3}}
    torch.save({"model": {"weight": weight}, **rest}, tmp_path / "a.pth")
    state, beside = read_state_file(tmp_path / "a.pth")
    assert list(state) == ["weight"] and torch.equal(state["weight"], weight) and beside == rest
    torch.save({"weight": weight}, tmp_path / "b.pth")
    assert read_state_file(tmp_path / "b.pth").beside == {}


class Custom:
    """An object that only code could rebuild."""


class Calls:
    """A pickle that calls a function when it is read."""

    def __init__(self, function):
        self.function = function

    def __reduce__(self):
        return self.function, ("touched",)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (Custom(), r"\S+\.Custom"),
        ({"model": {"weight": torch.zeros(2)}, "args": Custom()}, r"\S+\.Custom"),
        ({"state_dict": {}, "hook": Calls(print)}, "print"),
        ({"state_dict": {}, "hook": Calls(__import__("os").system)}, r"(posix|nt)\.system"),
        ({"state_dict": {}, "hook": Calls(pickle.loads)}, r"_?pickle\.loads"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_needs_more_is_refused_by_the_name_of_what_it_needs(content, wanted, zipped, tmp_path):
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=rf"x\.pth: refused: it needs {wanted},"):
        read_state_file(tmp_path / "x.pth")
