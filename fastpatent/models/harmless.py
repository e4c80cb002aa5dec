"""What torch.load may rebuild of a file: plain tensors, and the plain values that training code stores with its weights."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO
from unittest.mock import patch

import numpy as np
import torch
from torch import _weights_only_unpickler
from torch._weights_only_unpickler import _get_allowed_globals
from torch.serialization import StorageType

# Parts that a pickle is read in, each of a byte or more: a tensor takes 55, an empty dict one. That many empty dicts took
# 0.5 GiB and 7 s before they were refused.
MOST_READS = 2**22
LONGEST_CODE = 16  # characters of NumPy's name of a type, such as <U12 or M8[ns]
LARGEST_KEY = 2**31  # of numbers: Python hashes larger ones, and tuples, to values that a file can choose to be the same
MOST_DIMS = 64  # of a tensor, as torch has it


class Refused(ValueError):
    """Why a file is not read although it is whole."""


class Storages:
    """The storages that a file names: the memory of one without values would be what the process had in it before.

    Attributes:
        named: {name: bytes}.
        last: what the last pickle of the file holds.
    """

    def __init__(self) -> None:
        self.named: dict[str, int] = {}
        self.last: Any = None

    def check(self, records: Mapping[str, int] | None) -> None:
        """Raise Refused where a storage has no values.

        Args:
            records: {name: bytes} of those of a zip archive; None of a file whose last pickle lists the names of those that
                follow it.
        """
        found = self.named if records is None else records
        listed = self.last if records is None else records
        missing = [name for name, size in self.named.items() if name not in listed or found[name] < size]
        if missing:
            raise Refused(f"{len(missing)} of its storages have no values, or too few")


class Unpickler(_weights_only_unpickler.Unpickler):
    """torch's own, which takes any key for a dict or a storage, and any number of parts."""

    storages: Storages

    def __init__(self, file: BinaryIO, **options: Any) -> None:
        super().__init__(file, **options)
        self.stack: list[Any] = []
        read, left = file.read, MOST_READS

        def bounded(count: int) -> bytes:
            """Replace the dict that was made last, which is empty still, before more is read."""
            nonlocal left
            left -= 1
            if left < 0:
                raise Refused(f"its pickle has more than {MOST_READS} parts")
            if self.stack and type(self.stack[-1]) is dict:
                self.stack[-1] = _Dict()
            return read(count)

        self.read = bounded

    @property
    def persistent_load(self) -> Callable[[Any], Any]:  # type: ignore[override]
        """Function of what names a storage -> the storage; torch sets it."""
        return self._persistent_load

    @persistent_load.setter
    def persistent_load(self, load: Callable[[Any], Any]) -> None:
        def checked(name: Any) -> Any:
            if not (type(name) is tuple and len(name) > 4 and type(name[2]) is str and type(name[4]) is int):
                raise Refused("a storage has no name")
            if not all(type(part[0]) is str for part in name if type(part) is tuple and part):  # a part of another storage
                raise Refused("a part of a storage has no name")
            found = load(name)
            named = self.storages.named
            named[name[2]] = max(named.get(name[2], 0), name[4] * found.dtype.itemsize)
            return found

        self._persistent_load = checked

    def load(self) -> Any:
        """Return what the pickle holds."""
        self.storages.last = super().load()
        return self.storages.last


def _is_key(value: Any) -> bool:
    return isinstance(value, str | bytes | None) or isinstance(value, int) and abs(value) < LARGEST_KEY


class Skipped:
    """In place of what nothing here needs, NumPy arrays for instance: it has nothing of what a file gives it."""

    __slots__ = ()

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...


class _Dict(dict):
    """In place of dict, OrderedDict and Counter.

    It skips keys that are neither texts nor whole numbers, and takes no attributes, such as the `_metadata` of a state dict.
    """

    __slots__ = ()

    def __init__(self, pairs: Any = (), *_: Any) -> None:
        for key, value in pairs.items() if isinstance(pairs, dict) else pairs:
            self[key] = value

    def __setitem__(self, key: Any, value: Any) -> None:
        if _is_key(key):
            super().__setitem__(key, value)

    def __setstate__(self, _: Any) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """In place of a tensor: where it lies in the file, so that a pickle can do nothing with it."""

    storage: Any
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def __post_init__(self) -> None:
        shaped = isinstance(self.size, tuple) and isinstance(self.stride, tuple)
        if not shaped or not len(self.size) == len(self.stride) <= MOST_DIMS:
            raise Refused("a tensor has no shape")
        if not all(type(number) is int and 0 <= number < 2**63 for number in (self.offset, *self.size, *self.stride)):
            raise Refused("a tensor has a shape that is not of numbers")

    @property
    def nbytes(self) -> int:
        return math.prod(self.size) * self.dtype.itemsize

    def tensor(self) -> torch.Tensor:
        """Return the tensor, in the memory of its storage; RuntimeError where that is smaller."""
        # Not by set_ with a size, which would lengthen the storage by what was in that memory before.
        whole = torch.empty(0, dtype=self.dtype).set_(self.storage._untyped_storage)
        return whole.as_strided(self.size, self.stride, self.offset)


def _stored(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Stored:
    return Stored(storage, offset, size, stride, storage.dtype)


def _stored_as(
    storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], _: Any, __: Any, dtype: torch.dtype, *___: Any
) -> Stored:
    """In place of what makes tensors of the types that are younger than torch's typed storages."""
    return Stored(storage, offset, size, stride, dtype)


class _Dtype:
    """In place of `numpy.dtype`, which would believe a file that lies about sizes, and read outside its memory."""

    __slots__ = ("dtype",)

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or len(code) > LONGEST_CODE:
            raise Refused("the type of a NumPy value has no name")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, dtype.dtype)[0]


def _dict(*_: Any) -> _Dict:
    """In place of defaultdict, without what makes its values."""
    return _Dict()


def _list(*_: Any) -> list[Any]:
    """In place of deque: torch.load fills no list but the plain one."""
    return []


def _bytes(text: str, _: str) -> bytes:
    """In place of `codecs.encode`, of whose codecs some lengthen what they are given: pickles name Latin-1 only."""
    return text.encode("latin1")


def _first(value: Any, *_: Any) -> Any:
    """In place of what makes a parameter of a tensor, and could set any attribute of it."""
    return value


def _called(build: Callable[..., Any], _: Any, arguments: tuple, *__: Any) -> Any:
    """In place of what makes a subclass of a tensor, or a tensor with attributes."""
    return build(*arguments)


# Names that files may hold, and what stands for them. The names differ between NumPy 1 and 2, and between Python 3.12 and
# 3.13. Of torch's own list these are absent: tensors of a given size without values, sparse, quantised and nested ones.
CALLED: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _Dict,
    "collections.Counter": _Dict,
    "collections.defaultdict": _dict,
    "collections.deque": _list,
    "_codecs.encode": _bytes,
    "torch.Size": torch.Size,
    "torch._utils._rebuild_tensor": _stored,
    "torch._utils._rebuild_tensor_v2": _stored,
    "torch._utils._rebuild_tensor_v3": _stored_as,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._tensor._rebuild_from_type_v2": _called,
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
}
SKIPPED = (
    *(f"builtins.{name}" for name in ("bool", "int", "float", "complex", "str", "slice", "range", "bytearray")),
    *(f"builtins.{name}" for name in ("list", "dict", "tuple", "set", "frozenset")),
    *(f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")),
    *(
        f"{module}.{pure}{system}Path"
        for module in ("pathlib", "pathlib._local")
        for pure in ("", "Pure")
        for system in ("Posix", "Windows")
    ),
    *(f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")),
    *("types.SimpleNamespace", "decimal.Decimal", "uuid.UUID", "torch.serialization._get_layout"),
    *("numpy.ndarray", "argparse.Namespace", "torch.torch_version.TorchVersion", "torch.device", "torch.Tensor"),
)
# Values of these names are no classes, so that a file can call none.
NAMED: dict[str, Any] = {
    name: kind for name, kind in _get_allowed_globals().items() if isinstance(kind, torch.dtype | StorageType)
} | {"torch.storage.UntypedStorage": StorageType("ByteStorage")}  # that of the types of `_stored_as`


@contextmanager
def only_harmless(size: int) -> Iterator[Storages]:
    """Within this block torch.load with weights_only knows no other names than those here.

    torch.serialization.safe_globals could add to its list, but take nothing from it.

    Args:
        size: bytes of the file. What its containers are copied from has no more values: else a few bytes of a pickle could
            copy a long list any number of times.

    Yields:
        the `Storages` of the file, complete when it is loaded.
    """
    left, storages = size, Storages()

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def within(*arguments: Any) -> Any:
            nonlocal left
            left -= sum(len(value) for value in arguments if isinstance(value, list | tuple | dict | str | bytes))
            if left < 0:
                raise Refused("it would grow to more than its size")
            return call(*arguments)

        return within

    known = {name: counted(call) for name, call in CALLED.items()} | dict.fromkeys(SKIPPED, Skipped) | NAMED
    known["numpy.dtype"] = _Dtype
    known[""] = _Dict  # what may have a state; a file cannot write this name, which has no dot
    unpickler = type("Unpickler", (Unpickler,), {"storages": storages})
    with (
        patch.dict(_get_allowed_globals(), known, clear=True),
        patch.multiple(_weights_only_unpickler, Unpickler=unpickler, Counter=_Dict),  # of a Counter it sets items
    ):
        yield storages
