"""Read a weights file into a dict of tensors, without executing code from the file."""

import os
import pickle
import re
import struct
import warnings
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from safetensors.torch import load_file

from fastpatent.errors import CheckpointError
from fastpatent.models.foreign_files import HEAD, foreign_kind
from fastpatent.models.harmless import Refused, Stored, only_harmless

# Where most training code stores the parameters, the first before the others.
STATE_KEYS = ("state_dict", "model", "model_state_dict")
# Averages of the weights over the steps. As in timm and DINO, they are taken before the last weights.
AVERAGE = re.compile(r"(?:^|_)(?:ema|teacher)(?:_|$)")
# Dicts with fewer than this share of the most tensors are beside the parameters: states of a generator, centers of a loss.
LEAST_TENSORS = 1 / 10
# Dicts and lists in each other, beyond which no state dict is looked for.
DEEPEST = 16
# Items of a list in which state dicts are looked for.
LONGEST_LIST = 1000
# Lists, tuples and dicts of a file; training code may keep a pair (path, label) of each of 355,000 drawings.
MOST_CONTAINERS = 2**20
# Those that a file may hold: 100 are more than any training code writes, and far from the depth at which Python gives up.
NESTED = 100
# All tensors of a file have at most this many times its bytes: layers that share weights, and averages that have not moved
# yet, are in it once, and take memory of their own where they are copied.
TIED = 4
# torch can read others, which it cannot add: packed bits, float8, quantised numbers; weights are never complex.
DTYPES = {torch.bool, torch.float16, torch.bfloat16, torch.float32, torch.float64}
DTYPES |= {getattr(torch, f"{kind}{bits}") for kind in ("int", "uint") for bits in (8, 16, 32, 64)}

SAFETENSORS = re.compile(rb".{4}\0{4}\{", re.DOTALL)  # the length of its header, below 4 GiB, and the JSON of the header
ZIP = b"PK\3\4"
# The ends of a zip archive: of more than 4 GiB with the length and the place of its directory, where that is, and the same
# of smaller ones, with the length of a comment, which torch.save does not write.
END_64, END = struct.Struct("<4s36xQQ4s4xQ4x4s8xLLH"), 22
# What torch.save wrote before its zip archives: a number in a pickle.
OLDER = b"\x80\2\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
DEFAULT_PICKLE = b"\x80\2"  # torch.load reads no other protocol with weights_only
# The class or function that a pickle needs, in torch's error message.
STRANGER = re.compile(r"GLOBAL (\S+)")
OTHER_TENSORS = re.compile(r"torch\._utils\._rebuild_|torch\.(?:cuda\.|sparse\.)*\w*Tensor$")

Place = tuple[str, ...]  # keys, from the content of a file to a value in it


class StateFile(NamedTuple):
    """Content of a weights file.

    Attributes:
        state: names as in the file, and tensors on the CPU.
        beside: all else that training code stored: plain values and containers of them.
        place: keys of the state dict in the file, joined by dots; empty where it is the whole file.
        others: places of other state dicts, which were not taken.
    """

    state: dict[str, torch.Tensor]
    beside: dict[str, Any]
    place: str = ""
    others: tuple[str, ...] = ()

    @property
    def choice(self) -> str:
        """Which of several state dicts was taken, to follow the name of the file; empty where there was but one."""
        return f" ({self.place or 'top level'} taken, {', '.join(self.others)} skipped)" if self.others else ""


def read_state_file(path: str | Path) -> StateFile:
    """Read a weights file.

    Args:
        path: file of safetensors or of torch.save, whatever its name: a state dict, or dicts and lists with one at any
            depth. Of several, an average (`ema`, `teacher`) is taken first, then that under `state_dict` or `model`.

    Raises:
        CheckpointError: the file is missing, damaged, of another kind, needs code to rebuild its objects, or has no
            parameters or several sets of them.
    """
    content = read_content(path)
    place, others = _find(content, path)
    beside: dict[str, Any] = {}
    for key in place:
        items = _items(content)
        content = items.pop(key)
        beside |= items
    state = _tensors(content)
    beside |= {name: value for name, value in content.items() if name not in state}
    return StateFile(state, beside, ".".join(place), tuple(map(".".join, others)))


def read_content(path: str | Path) -> Any:
    """Return what safetensors or torch.save wrote, on the CPU: tensors and plain values in dicts, lists and tuples.

    Tensors have the memory of the file, whatever the file says of itself; for all else see `fastpatent.models.harmless`.

    Raises:
        CheckpointError: as `read_state_file`.
    """
    path = Path(path)
    # Unlike those of Path, these answer for every name, one that is too long among them.
    if os.path.isdir(path):
        raise CheckpointError(f"{path}: is a folder; name the weights file in it")
    if not os.path.isfile(path):
        raise CheckpointError(f"{path}: no such weights file")
    try:
        file = path.open("rb")
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        with file:
            return _parse(path, file)
    except CheckpointError:
        raise
    except Refused as error:
        raise CheckpointError(f"{path}: refused: {error}; save model.state_dict() alone") from error
    except Exception as error:  # damaged files raise many kinds
        stranger = STRANGER.search(str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if stranger and OTHER_TENSORS.match(stranger[1]):
            raise CheckpointError(
                f"{path}: holds tensors that are quantised, sparse or without values ({stranger[1]}); save plain tensors"
            ) from error
        if stranger:
            raise CheckpointError(
                f"{path}: refused: it needs {stranger[1]}, and rebuilding more than tensors and plain values "
                "could run code; if you trust it, load it where that is installed and save model.state_dict() alone"
            ) from error
        raise CheckpointError(f"{path}: is damaged or incomplete ({_reason(error)}); copy or download it again") from error


def _parse(path: Path, file: BinaryIO) -> Any:
    head = file.read(HEAD)
    size = os.fstat(file.fileno()).st_size
    if not head:
        raise CheckpointError(f"{path}: is empty")
    if SAFETENSORS.match(head):
        return _plain(load_file(path), path, size)
    records = None
    if head.startswith(ZIP):
        _check_directory(path, file, size)
        records = _check_archive(path, size)
    elif not head.startswith(OLDER):
        raise CheckpointError(f"{path}: is {foreign_kind(head)}")
    file.seek(0)
    # torch warns of what it meets in a damaged file, before the error that says it.
    with warnings.catch_warnings(action="ignore"), only_harmless(size) as storages:
        # Of the file, not the path, whose suffix torch.load would believe.
        content = torch.load(file, map_location="cpu", weights_only=True)
    storages.check(records)
    return _plain(content, path, size)


def _check_directory(path: Path, file: BinaryIO, size: int) -> None:
    """Raise CheckpointError if a zip archive does not end with its directory, as zipfile reads it, where it says.

    torch reads that at the place which it says: another, of members that nothing here has seen.
    """
    file.seek(max(size - END_64.size, 0))
    ends = END_64.unpack(file.read().rjust(END_64.size, b"\0"))
    signature_64, length_64, start_64, locator, end_64, signature, length, start, comment = ends
    if signature != b"PK\5\6" or comment:
        raise CheckpointError(f"{path}: is damaged or incomplete (its zip archive has no end); copy or download it again")
    if locator == b"PK\6\7":
        whole = signature_64 == b"PK\6\6" and start_64 + length_64 == end_64 == size - END_64.size
    else:
        whole = start + length == size - END
    if not whole:
        raise CheckpointError(f"{path}: refused: its zip archive has another directory than that before its end")


def _check_archive(path: Path, size: int) -> dict[str, int]:
    """Return {name: bytes} of the storages in a zip archive; CheckpointError if it is not one of torch.save."""
    with ZipFile(path) as archive:
        names = archive.namelist()
        if any(name.endswith("/constants.pkl") for name in names):
            raise CheckpointError(
                f"{path}: is a TorchScript program; save its weights: torch.save(torch.jit.load(FILE).state_dict(), OTHER)"
            )
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if not pickles:
            some = ", ".join(names[:3]) or "nothing"
            raise CheckpointError(
                f"{path}: is a zip archive of {some}, not of torch.save; unpack it if a weights file is in it"
            )
        members = archive.infolist()
        if any(member.compress_type != ZIP_STORED for member in members) or sum(of.file_size for of in members) > size:
            raise CheckpointError(f"{path}: refused: its parts are larger than the file, as torch.save never writes them")
        if damaged := archive.testzip():  # torch.load does not compare the checksums that torch.save writes
            raise CheckpointError(f"{path}: is damaged: {damaged} does not match its checksum; copy or download it again")
        head = archive.open(pickles[0]).read(HEAD)
    if not head.startswith(DEFAULT_PICKLE):
        raise CheckpointError(f"{path}: is {foreign_kind(head)}")
    place = f"{pickles[0].removesuffix('data.pkl')}data/"
    return {of.filename.removeprefix(place): of.file_size for of in members if of.filename.startswith(place)}


def _plain(content: Any, path: Path, size: int) -> Any:
    """Return the content of a file in new dicts, lists and tuples, which have no attributes a file could set.

    Raises:
        CheckpointError: containers are nested too deeply, or tensors have more values than it may hold.
    """
    done: dict[int, Any] = {}
    left, containers = TIED * size, MOST_CONTAINERS

    def plain(value: Any, depth: int) -> Any:
        nonlocal left, containers
        if id(value) in done:
            return done[id(value)]
        if depth > NESTED:
            raise CheckpointError(f"{path}: refused: more than {NESTED} dicts and lists are in each other")
        found = value
        containers -= isinstance(value, dict | list | tuple)
        if containers < 0:
            raise CheckpointError(f"{path}: refused: it has more than {MOST_CONTAINERS:,} dicts, lists and tuples")
        if isinstance(value, torch.Tensor | Stored):
            if value.dtype not in DTYPES:
                raise CheckpointError(f"{path}: holds tensors of {value.dtype}, which are no weights; save them as float32")
            left -= value.nbytes
            if left < 0:
                raise CheckpointError(f"{path}: refused: its tensors have more than {TIED} times the bytes of the file")
            found = value.tensor() if isinstance(value, Stored) else value
        elif isinstance(value, dict):
            found = done[id(value)] = {}
            found.update((key, plain(item, depth + 1)) for key, item in dict.items(value))
        elif isinstance(value, list):
            found = done[id(value)] = []
            found.extend(plain(item, depth + 1) for item in value)
        elif type(value) is tuple:
            found = tuple(plain(item, depth + 1) for item in value)
        done[id(value)] = found
        return found

    return plain(content, 0)


def _reason(error: Exception) -> str:
    """Return the first line of an error; where torch gives advice first, the line after it."""
    if isinstance(error, BadZipFile):
        return "its zip archive has no end"
    text = str(error).partition("WeightsUnpickler error: ")[2] or str(error) or type(error).__name__
    return text.strip().splitlines()[0].rstrip(". ")


def _items(value: Any) -> dict[str, Any]:
    """Return the values of a dict or sequence by their keys or numbers as text; none for any other value."""
    if isinstance(value, list | tuple):
        value = dict(enumerate(value[:LONGEST_LIST]))
    return {str(key): item for key, item in value.items() if isinstance(key, str | int)} if isinstance(value, dict) else {}


def _tensors(value: Any) -> dict[str, torch.Tensor]:
    """Return the tensors that a dict holds under names."""
    items = value.items() if isinstance(value, dict) else ()
    return {name: item for name, item in items if isinstance(name, str) and isinstance(item, torch.Tensor)}


def _find(content: Any, path: str | Path) -> tuple[Place, list[Place]]:
    """Return where the parameters are in the content of a file, and where others are."""
    counts: dict[Place, int] = {}
    queue: list[tuple[Place, Any]] = [((), content)]
    seen: set[int] = set()
    for place, value in queue:  # grows while it is read
        if id(value) in seen:  # under another key, too
            continue
        seen.add(id(value))
        items = _items(value)
        if "param_groups" in items:  # of an optimizer
            continue
        counts[place] = len(_tensors(value))
        if len(place) < DEEPEST:
            queue += [((*place, key), item) for key, item in items.items()]
    least = max(1, LEAST_TENSORS * max(counts.values(), default=0))
    found = sorted((place for place, count in counts.items() if count >= least), key=_rank)
    if not found:
        raise CheckpointError(f"{path}: holds no tensors under names: {_describe(content)}; save model.state_dict()")
    best, *others = found
    if others and _rank(best) == _rank(others[0]):
        names = ", ".join(".".join(place) for place in found)
        raise CheckpointError(f"{path}: holds several sets of parameters ({names}); save the one to load alone")
    return best, others


def _rank(place: Place) -> int:
    """Return the order in which state dicts are taken: averages, then the usual keys, the whole file, and all others."""
    if any(AVERAGE.search(key) for key in place):
        return -1
    usual = [STATE_KEYS.index(key) for key in place if key in STATE_KEYS]
    return min(usual, default=len(STATE_KEYS) + bool(place))


def _describe(value: Any) -> str:
    items = _items(value)
    some = ", ".join(f"{key}: {type(item).__name__}" for key, item in list(items.items())[:3])
    more = ", ..." if len(items) > 3 else ""
    return f"{type(value).__name__}{f' of {len(items)} ({some}{more})' if items else ''}"
