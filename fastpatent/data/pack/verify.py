"""What of a pack is as it should be: every checksum, and every file against the one that was packed."""

import os
import zlib
from enum import Enum

from fastpatent.data.pack.shard import map_pixels


class State(Enum):
    """What is found of one packed drawing."""

    GOOD = "its pixels match their checksum, its file is the one packed"
    ORPHANED = "its pixels match their checksum, its file is gone"
    CHANGED = "its file is another than the one packed"
    DAMAGED = "its pixels are missing or do not match their checksum"

    @property
    def is_kept(self):
        """Whether a repair leaves the drawing alone; without a file it could not be packed again."""
        return self in (State.GOOD, State.ORPHANED)


def verify_shard(shard, root):
    """Return the `State` of every drawing of a `Shard`, in its order.

    Args:
        root: DATASETS.ROOT.
    """
    try:
        pixels = map_pixels(shard.pixels, len(shard.entries), shard.size)
    except OSError:
        pixels = ()
    return [
        _file_state(entry, root) if slot < len(pixels) and zlib.crc32(pixels[slot]) == entry.crc else State.DAMAGED
        for slot, entry in enumerate(shard.entries)
    ]


def _file_state(entry, root):
    try:
        status = os.stat(os.path.join(root, entry.path))
    except OSError:
        return State.ORPHANED
    return State.GOOD if entry.is_of(status) else State.CHANGED
