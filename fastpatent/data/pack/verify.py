"""Verifying a pack: the checksums of its pixels, and whether the source files have changed."""

import os
import zlib
from enum import Enum

import numpy as np

from fastpatent.data.pack.shard import Entry, Shard, map_pixels
from fastpatent.files import sha256_of


class State(Enum):
    """The state of one packed drawing."""

    GOOD = "its pixels match their checksum, its file is unchanged"
    ORPHANED = "its pixels match their checksum, its file is gone"
    CHANGED = "its file has changed since it was packed"
    DAMAGED = "its pixels are missing or do not match their checksum"

    @property
    def is_kept(self) -> bool:
        """Whether a repair keeps the drawing; without its file it could not be packed again."""
        return self in (State.GOOD, State.ORPHANED)


def verify_shard(shard: Shard, root: str | os.PathLike[str]) -> list[State]:
    """Return the `State` of every drawing of a shard, in order.

    Args:
        root: DATASETS.ROOT.
    """
    try:
        pixels = map_pixels(shard.pixels, len(shard.entries), shard.size)
    except OSError:
        pixels = np.empty(0, np.uint8)
    return [
        _file_state(entry, root) if slot < len(pixels) and zlib.crc32(pixels[slot]) == entry.crc else State.DAMAGED
        for slot, entry in enumerate(shard.entries)
    ]


def _file_state(entry: Entry, root: str | os.PathLike[str]) -> State:
    path = os.path.join(root, entry.path)
    try:
        same = entry.is_of(os.stat(path)) and (isinstance(entry.stamp, int) or entry.stamp == sha256_of(path))
    except OSError:
        return State.ORPHANED
    return State.GOOD if same else State.CHANGED
