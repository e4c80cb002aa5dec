"""Reading drawings from a pack, or from their own files if the pack lacks them or they have changed."""

import os
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fastpatent.data.pack.shard import Entry, PackSize, Shard, check_pixels, map_pixels, read_shards, stored_path
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


class PackedDrawings:
    """Drawings of one size, memory-mapped: all processes of a machine share them through the page cache.

    Args:
        shards: list of `Shard`.
        root: DATASETS.ROOT.
        paths: the drawings that will be read; the size and time of each file are compared with those stored in the pack.
        decode: function of a path -> uint8 [height, width], for those that are not in the pack or have changed.

    Attributes:
        changed: list of those of `paths` whose file has changed since it was packed.
        absent: list of those that are not in the pack.
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
        for path in paths:
            place = packed.get(stored_path(path, prefix))
            if place is None:
                self.absent.append(path)
            elif not _is_unchanged(path, shards[place[0]].entries[place[1]]):
                self.changed.append(path)
            else:
                self._rows[path] = len(places)
                places.append((*place, shards[place[0]].entries[place[1]].crc))
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


def _is_unchanged(path: str, entry: Entry) -> bool:
    try:
        return entry.is_of(os.stat(path))
    except OSError:  # the file is gone: reading it raises
        return False
