"""Values that training code stores beside its weights, and files that lie about them."""

import argparse
import datetime
import pathlib
from collections import Counter, OrderedDict, defaultdict, deque

import numpy as np
import pytest
import torch

from fastpatent.errors import CheckpointError
from fastpatent.models.harmless import Skipped
from fastpatent.models.state_file import read_state_file

BESIDE = {
    "log": defaultdict(list, a=[1]),
    "count": Counter("aab"),
    "ordered": OrderedDict(a=1),
    "bytes": b"\0\1",
    **{code: np.dtype(code).type(3) for code in "?bhilqBHILQefd"},
    "text": np.str_("aé"),
    "big": np.frombuffer(b"\1\2", ">i2")[0],
}
# What nothing needs, and what a file could make large.
SKIPPED = {
    "namespace": argparse.Namespace(lr=0.1, layers=[1, 2]),
    "path": pathlib.Path("a/b"),
    "pure": pathlib.PurePosixPath("a/b"),
    "windows": pathlib.PureWindowsPath("a/b"),
    "when": datetime.datetime(2020, 1, 2, 3, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
    "day": datetime.date(2020, 1, 2),
    "set": {1, 2},
    "frozen": frozenset({3}),
    "slice": slice(1, 4),
    "complex": 1 + 2j,
    "torch": torch.__version__,
    "device": torch.device("cpu"),
    "whole": np.arange(4),
    "strided": np.ones((4, 4))[::2],
    "words": np.array(["a", "b"]),
}


def beside(tmp_path, **values):
    torch.save({"model": {"weight": torch.zeros(2)}, **values}, tmp_path / "x.pth")
    return read_state_file(tmp_path / "x.pth").beside


def test_plain_values_come_back(tmp_path):
    assert beside(tmp_path, **BESIDE) == BESIDE
    assert beside(tmp_path, queue=deque([1, 2], maxlen=3)) == {"queue": [1, 2]}


def test_what_nothing_needs_is_skipped(tmp_path):
    found = beside(tmp_path, **SKIPPED)
    assert found.keys() == SKIPPED.keys() and {type(value) for value in found.values()} == {Skipped}


class Liar:
    """A NumPy number whose type is said to be larger than its bytes, or to hold pointers."""

    def __init__(self, code, size, flags, data):
        self.code, self.state, self.data = code, (3, "<", None, None, None, size, 4, flags), data

    def __reduce__(self):
        return np.float64(0).__reduce__()[0], (LyingType(self.code, self.state), self.data)


class LyingType:
    def __init__(self, code, state):
        self.code, self.state = code, state

    def __reduce__(self):
        return np.dtype, (self.code, False, True), self.state


def test_a_number_that_lies_about_its_size_reads_no_other_memory(tmp_path):
    assert beside(tmp_path, value=Liar("U1", -(2**31), 8, b"A\0\0\0")) == {"value": "A"}  # NumPy's own reading ends Python
    with pytest.raises(CheckpointError, match=r"x\.pth: is damaged"):
        beside(tmp_path, value=Liar("O8", -1, 0, b"A" * 8))
