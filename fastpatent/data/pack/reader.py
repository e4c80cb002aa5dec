"""Drawings read from a pack; from their files where the pack does not have them as they are now."""

import os
import zlib

import numpy as np

from fastpatent.data.pack.shard import check_pixels, map_pixels, read_shards, stored_path
from fastpatent.errors import DataError

REPAIR = "`fastpatent data pack` repairs it"


def open_pack(folder, size):
    """Read what can be used of a pack.

    Returns:
        (list of `Shard` whose pixels are all there, list of DataError for every other); both empty where there is no pack.
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
        paths: the drawings that will be asked for; each file's size and time are compared with those it was packed with.
        decode: function of a path -> uint8 [height, width], for those that are not in the pack or have changed.

    Attributes:
        changed: list of those of `paths` whose file is another than the one packed.
        absent: list of those that are not in the pack.
    """

    def __init__(self, shards, root, paths, decode):
        self.decode, self.changed, self.absent = decode, [], []
        prefix = os.path.join(os.path.abspath(root), "")
        packed = {
            entry.path: (number, slot) for number, shard in enumerate(shards) for slot, entry in enumerate(shard.entries)
        }
        self._rows, places = {}, []
        for path in paths:
            place = packed.get(stored_path(path, prefix))
            if place is None:
                self.absent.append(path)
            elif not _is_unchanged(path, shards[place[0]].entries[place[1]]):
                self.changed.append(path)
            else:
                self._rows[path] = len(places)
                places.append((*place, shards[place[0]].entries[place[1]].crc))
        # columns instead of objects: forked readers share these pages, where a look at an object would copy its page
        self._shards, self._slots, self._checksums = np.array(places, np.int64).reshape(-1, 3).T.copy()
        self._files = [(shard.pixels, len(shard.entries), shard.size) for shard in shards]
        self._pixels = _map(self._files)

    def __call__(self, path):
        """Return the drawing as read-only uint8 [height, width].

        Raises:
            DataError: its pixels do not match their checksum; or as `decode`, where that is asked.
        """
        row = self._rows.get(path)
        if row is None:
            return self.decode(path)
        shard = self._shards[row]
        drawing = self._pixels[shard][self._slots[row]]
        if zlib.crc32(drawing) != self._checksums[row]:
            raise DataError(f"{self._files[shard][0]}: the packed pixels of {path} are damaged; {REPAIR}")
        return drawing

    def __getstate__(self):
        return {**self.__dict__, "_pixels": None}

    def __setstate__(self, state):
        self.__dict__.update(state, _pixels=_map(state["_files"]))


def _map(files):
    """Map all shards at once: a run that has begun keeps what it sees, even where the pack is repaired meanwhile."""
    return [map_pixels(*file) for file in files]


def _is_unchanged(path, entry):
    try:
        return entry.is_of(os.stat(path))
    except OSError:  # the file is gone: reading it will say so
        return False
