"""The content of a weights file beside its parameters, and the objects that it must not need."""

import os
import pickle

import numpy as np
import pytest
import torch

from fastpatent.errors import CheckpointError
from fastpatent.models.state_file import read_state_file


def test_the_rest_of_a_checkpoint_is_returned(tmp_path):
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


def test_a_pickle_that_needs_a_class_or_function_is_refused_by_its_name(tmp_path):
    for content, wanted in (
        (Custom(), r"\S+\.Custom"),
        ({"model": {"weight": torch.zeros(2)}, "args": Custom()}, r"\S+\.Custom"),
        ({"state_dict": {}, "hook": Calls(print)}, "print"),
        ({"state_dict": {}, "hook": Calls(os.system)}, r"(posix|nt)\.system"),
        ({"state_dict": {}, "hook": Calls(pickle.loads)}, r"_?pickle\.loads"),
    ):
        for zipped in (True, False):
            torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
            with pytest.raises(CheckpointError, match=rf"x\.pth: refused: it needs {wanted},"):
                read_state_file(tmp_path / "x.pth")
