"""Classes that torch.load may rebuild beside tensors: plain values that training code stores with its weights."""

import argparse
import datetime
import pathlib
from typing import Any

import numpy as np
from torch.torch_version import TorchVersion


class _Dtype:
    """In place of `numpy.dtype`, which would believe a file that lies about sizes, and read outside its memory."""

    def __init__(self, code: str, *_: Any) -> None:
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class SkippedArray:
    """In place of a NumPy array, whose values nothing here needs."""

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, dtype.dtype)[0]


# torch.load fills no dict or list but the plain ones.
def _dict(*_: Any) -> dict[Any, Any]:
    return {}


def _list(*_: Any) -> list[Any]:
    return []


# What files may name, as torch.serialization.safe_globals takes it: a class, or what stands in for one and its full name.
# The names differ between NumPy 1 and 2, and between Python 3.12 and 3.13. No function here calls one that it is given.
HARMLESS: list[Any] = [
    *(bool, int, float, str, list, dict, tuple, frozenset, slice),
    *((_dict, "collections.defaultdict"), (_list, "collections.deque")),
    *(argparse.Namespace, TorchVersion),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone),
    *(
        (pure, f"{module}.{name}")
        for module in ("pathlib", "pathlib._local")
        for pure in (pathlib.PurePosixPath, pathlib.PureWindowsPath)
        for name in (pure.__name__, pure.__name__.removeprefix("Pure"))
    ),
    *((_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((SkippedArray, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    (SkippedArray, "numpy.ndarray"),
    (_Dtype, "numpy.dtype"),
]
