"""Reading drawings from a pack, or from their own files if the pack lacks them or they have changed."""

import os
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from fastpatent.data.pack.shard import (
    INDEX,
    PORTABLE_HEAD,
    PackSize,
    Shard,
    begins_as_index,
    check_pixels,
    map_pixels,
    read_shards,
    stored_path,
)
from fastpatent.errors import DataError

REPAIR = "`fastpatent data pack` repairs it"


def open_pack(folder: str | os.PathLike[str], size: PackSize) -> tuple[list[Shard], list[DataError]]:
    """Read the indexes of a pack.

    Returns:
        (list of `Shard` whose pixels are complete, list of a DataError for every other); both empty if there is no pack.
    """
    try:
        shards, faults = read_shards(folder, size)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [DataError(f"{folder}: the pack cannot be read: {error.strerror}")]
    whole = []
    for shard in shards:
        try:
            check_pixels(shard)
            whole.append(shard)
        except DataError as error:
            faults.append(error)
    return whole, faults


def portable_files(folder: str | os.PathLike[str], size: PackSize, root: str | os.PathLike[str]) -> dict[str, str]:
    """Return {absolute path: its state when packed} of the drawings below `root` that a portable pack has.

    They can be read without their files. The state is text that differs where the file or the pixels differ.
    """
    try:
        indexes = [Path(folder, name) for name in os.listdir(folder) if INDEX.fullmatch(name)]
    except OSError:  # no pack; `open_pack` says what is wrong with one
        return {}
    if not any(begins_as_index(index, PORTABLE_HEAD) for index in indexes):  # without reading all of a large pack
        return {}
    return {
        os.path.join(os.path.abspath(root), entry.path): f"{entry.size} {entry.stamp} {entry.crc}"
        for shard in open_pack(folder, size)[0]
        for entry in shard.entries
        if shard.portable and entry.path == os.path.normpath(entry.path) and not entry.path.startswith(("/", "../"))
    }


class PackedDrawings:
    """Drawings of one size, memory-mapped: all processes of a machine share them through the page cache.

    Args:
        shards: list of `Shard`.
        root: DATASETS.ROOT.
        paths: the drawings that will be read; the size and time of each file are compared with those stored in the pack.
        decode: function of a path -> uint8 [height, width], for those that are not in the pack or have changed.

    Attributes:
        changed: list of those of `paths` whose file has changed since it was packed, or is gone and the pack not portable.
        absent: list of those that are not in the pack.
        unverified: what is not known of those that come from a portable pack, in words.
    """

    def __init__(
        self,
        shards: list[Shard],
        root: str | os.PathLike[str],
        paths: Iterable[str],
        decode: Callable[[str], np.ndarray],
    ) -> None:
        self.decode = decode
        self.changed: list[str] = []
        self.absent: list[str] = []
        prefix = os.path.join(os.path.abspath(root), "")
        packed = {
            entry.path: (number, slot) for number, shard in enumerate(shards) for slot, entry in enumerate(shard.entries)
        }
        self._rows: dict[str, int] = {}
        places: list[tuple[int, int, int]] = []
        alone = by_size = 0
        pillows: set[str] = set()
        for path in paths:
            place = packed.get(stored_path(path, prefix))
            if place is None:
                self.absent.append(path)
                continue
            shard, entry, status = shards[place[0]], shards[place[0]].entries[place[1]], _status(path)
            if entry.is_of(status) if status else shard.portable:
                self._rows[path] = len(places)
                places.append((*place, entry.crc))
                alone += not status
                by_size += shard.portable and status is not None
                pillows.add(shard.pillow)
            else:
                self.changed.append(path)
        self.unverified = _unverified(alone, by_size, pillows - {PIL.__version__})
        # Arrays, not objects: forked workers share their pages; reading an object would copy its page (reference count).
        self._shards, self._slots, self._checksums = np.array(places, np.int64).reshape(-1, 3).T.copy()
        self._files = [(shard.pixels, len(shard.entries), shard.size) for shard in shards]
        self._pixels = _map(self._files)

    def __call__(self, path: str) -> np.ndarray:
        """Return the drawing as read-only uint8 [height, width].

        Raises:
            DataError: its pixels do not match their checksum; or raised by `decode`.
        """
        row = self._rows.get(path)
        if row is None:
            return self.decode(path)
        shard = self._shards[row]
        drawing = self._pixels[shard][self._slots[row]]
        if zlib.crc32(drawing) != self._checksums[row]:
            raise DataError(f"{self._files[shard][0]}: the packed pixels of {path} are damaged; {REPAIR}")
        return drawing

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pixels": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _pixels=_map(state["_files"]))


def _map(files: list[tuple[Path, int, PackSize]]) -> list[np.ndarray]:
    """Map all shards at once, so that a repair of the pack does not change the data of a running process."""
    return [map_pixels(*file) for file in files]


def _status(path: str) -> os.stat_result | None:
    """Return the status of a file; None where it is gone."""
    try:
        return os.stat(path)
    except OSError:
        return None


def _unverified(alone: int, by_size: int, pillows: set[str]) -> list[str]:
    found = []
    if alone:
        found.append(f"{alone} have no file here to compare with")
    if by_size:
        found.append(f"{by_size} were compared with their files by size alone, `fastpatent data pack` compares the bytes")
    if pillows:
        found.append(f"decoded with Pillow {min(pillows):.20}, this is {PIL.__version__}, which may round otherwise")
    return found
