"""What torch.load may rebuild of a file: plain tensors, and the plain values that training code stores with its weights."""

import argparse
import datetime
import pathlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import _utils
from torch._weights_only_unpickler import _get_allowed_globals
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


def _bytes(text: str, _: str) -> bytes:
    """In place of `codecs.encode`, of whose codecs some lengthen what they are given: pickles name Latin-1 only."""
    return text.encode("latin1")


def _nothing(*_: Any) -> None:
    """In place of types that a defaultdict makes its values by."""


def _first(value: Any, *_: Any) -> Any:
    """In place of what makes a parameter of a tensor, and could set any attribute of it."""
    return value


def _called(build: Callable[..., Any], _: Any, arguments: tuple, *__: Any) -> Any:
    """In place of what makes a subclass of a tensor, or a tensor with attributes."""
    return build(*arguments)


# Names that files may hold, and what stands for them. The names differ between NumPy 1 and 2, and between Python 3.12 and
# 3.13. Of torch's own list these are absent: tensors of a given size without values, sparse, quantised and nested ones.
CALLED: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": Counter,
    "collections.defaultdict": _dict,
    "collections.deque": _list,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "builtins.complex": complex,
    "builtins.slice": slice,
    **dict.fromkeys((f"builtins.{name}" for name in ("bool", "int", "float", "str", "list", "dict", "tuple")), _nothing),
    "_codecs.encode": _bytes,
    "torch.Size": torch.Size,
    "torch._utils._rebuild_tensor": _utils._rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _utils._rebuild_tensor_v2,
    "torch._utils._rebuild_tensor_v3": _utils._rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._tensor._rebuild_from_type_v2": _called,
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
}
CLASSES: dict[str, Any] = {
    "torch.device": torch.device,
    "torch.Tensor": SkippedArray,  # the name of a type only
    **{
        f"{kind.__module__}.{kind.__name__}": kind
        for kind in (
            *(argparse.Namespace, TorchVersion),
            *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone),
        )
    },
    **{
        f"{module}.{name}": pure
        for module in ("pathlib", "pathlib._local")
        for pure in (pathlib.PurePosixPath, pathlib.PureWindowsPath)
        for name in (pure.__name__, pure.__name__.removeprefix("Pure"))
    },
    **{f"numpy.{core}.multiarray._reconstruct": SkippedArray for core in ("core", "_core")},
    "numpy.ndarray": SkippedArray,
    "numpy.dtype": _Dtype,
    **{
        name: kind
        for name, kind in _get_allowed_globals().items()
        if isinstance(kind, torch.dtype) or name.endswith("Storage")
    },
}


@contextmanager
def only_harmless(size: int) -> Iterator[None]:
    """Within this block torch.load with weights_only knows no other names than those here.

    torch.serialization.safe_globals could add to its list, but take nothing from it.

    Args:
        size: bytes of the file. What its containers are copied from has no more values: else a few bytes of a pickle could
            copy a long list any number of times.
    """
    left = size

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def within(*arguments: Any) -> Any:
            nonlocal left
            left -= sum(len(value) for value in arguments if isinstance(value, list | tuple | dict | set | str | bytes))
            if left < 0:
                raise ValueError("it would grow to more than its size")
            return call(*arguments)

        return within

    known = {name: counted(call) for name, call in CALLED.items()} | CLASSES
    with patch.dict(_get_allowed_globals(), known, clear=True):
        yield
