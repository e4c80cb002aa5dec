"""The files of a pack: shards of grey pixels, and beside each an index that says which drawings they are.

`00003.0.u8` holds uint8 [drawings, height, width] and nothing else. `00003.json` is its index in JSON Lines: a header,
then one line a drawing, `[path, bytes of the source file, its mtime in ns, CRC-32 of the packed pixels]`. The index is
written last and names its pixels, so that a shard exists, or is replaced, at the moment its index is renamed into place.
"""

import json
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL

from fastpatent.errors import DataError
from fastpatent.files import write_atomically

VERSION = 2  # 1: resized along rows or columns first, as Pillow chose
DRAWINGS_A_SHARD = 4096  # what a kill loses at most; 256 MiB at 256 px
INDEX = re.compile(r"(\d{5})\.json")
PIXELS = re.compile(r"(\d{5})\.(\d+)\.u8")


class PackSize(NamedTuple):
    """What all drawings of a pack have in common: height and width in pixels, whether they kept their aspect, the filter."""

    height: int
    width: int
    keep_aspect: bool
    interpolation: str = "bicubic"

    @property
    def folder(self):
        """The name of the folder of such a pack."""
        filtered = "" if self.interpolation == "bicubic" else f"-{self.interpolation}"
        return f"{self.height}x{self.width}{'-aspect' if self.keep_aspect else ''}{filtered}"

    @property
    def bytes(self):
        """The bytes of one drawing."""
        return self.height * self.width


class Entry(NamedTuple):
    """One packed drawing: its path inside DATASETS.ROOT, its file's size and mtime when packed, CRC-32 of the pixels."""

    path: str
    size: int
    mtime_ns: int
    crc: int

    def is_of(self, status):
        """Tell whether a file with this `os.stat_result` is the one that was packed."""
        return self.size == status.st_size and self.mtime_ns == status.st_mtime_ns


@dataclass
class Shard:
    """A shard as its index tells it; whether the pixels are there is for `check_pixels` and the checksums to say."""

    index: Path
    pixels: Path
    size: PackSize
    entries: list

    @property
    def number(self):
        """The shard's number in its pack."""
        return int(self.index.stem)

    @property
    def generation(self):
        """How often the shard's pixels have been replaced."""
        return int(PIXELS.fullmatch(self.pixels.name)[2])


def map_pixels(path, count, size):
    """Map the first `count` drawings of a shard's pixels as read-only uint8 [count, height, width]; fewer where it is short.

    Raises:
        OSError: there is no such file, or it may not be read.
    """
    count = min(count, os.stat(path).st_size // size.bytes)
    if not count:  # nothing cannot be mapped
        return np.empty((0, size.height, size.width), np.uint8)
    # a view as a plain array, for a memmap takes longer to slice
    return np.memmap(path, np.uint8, "r", shape=(count, size.height, size.width)).view(np.ndarray)


def read_shards(folder, size):
    """Read the indexes of a pack.

    Returns:
        (list of `Shard`, list of DataError for those that cannot be used).
    """
    shards, faults = [], []
    for name in sorted(os.listdir(folder)):
        if INDEX.fullmatch(name):
            try:
                shards.append(read_index(Path(folder) / name, size))
            except DataError as error:
                faults.append(error)
    return shards, faults


def read_index(path, size):
    """Read one index as `Shard`; DataError where it is damaged, of another version or size."""
    try:
        header, _, lines = path.read_bytes().partition(b"\n")
        header = json.loads(header)
        if header["version"] != VERSION:
            raise DataError(f"{path}: a pack of version {header['version']}, this program reads {VERSION}")
        if PackSize(*(header[name] for name in PackSize._fields)) != size:
            raise DataError(f"{path}: the index of another size than {size.folder}")
        if zlib.crc32(lines) != header["crc32"] or not PIXELS.fullmatch(header["pixels"]):
            raise ValueError
        if header["pillow"] != PIL.__version__:  # another version may decode or round another way
            raise DataError(f"{path}: packed with Pillow {header['pillow']}, this is {PIL.__version__}")
        # one call for all lines: line by line takes three times as long
        entries = [Entry(*row) for row in json.loads(b"[" + lines.rstrip().replace(b"\n", b",") + b"]")]
    except OSError as error:
        raise DataError(f"{path}: the index cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{path}: the index is damaged or only half written") from error
    return Shard(path, path.with_name(header["pixels"]), size, entries)


def check_pixels(shard):
    """Raise DataError where a shard's pixels are not there or not as long as the index says."""
    expected = len(shard.entries) * shard.size.bytes
    try:
        found = os.stat(shard.pixels).st_size
    except OSError as error:
        raise DataError(f"{shard.pixels}: the shard cannot be read: {error.strerror}") from error
    if found != expected:
        raise DataError(f"{shard.pixels}: the shard has {found:,} bytes instead of {expected:,}")


def write_shard(folder, number, generation, size, drawings):
    """Write one shard and then its index.

    Args:
        folder: of the pack.
        number: the shard's.
        generation: of its pixels; another than that of the shard that is replaced.
        size: PackSize.
        drawings: iterable of (Entry, uint8 [height, width]), consumed as it is written; at least one.
    """
    pixels, entries = Path(folder) / f"{number:05d}.{generation}.u8", []

    def write_pixels(temporary):
        with open(temporary, "wb") as file:
            for entry, drawing in drawings:
                file.write(np.ascontiguousarray(drawing))
                entries.append(entry)

    write_atomically(pixels, write_pixels)
    lines = "".join(f"{json.dumps(entry)}\n" for entry in entries).encode()
    header = {
        "version": VERSION,
        **size._asdict(),
        "pillow": PIL.__version__,
        "pixels": pixels.name,
        "crc32": zlib.crc32(lines),
    }
    index = f"{json.dumps(header)}\n".encode() + lines
    write_atomically(Path(folder) / f"{number:05d}.json", lambda temporary: temporary.write_bytes(index))


def stored_path(path, prefix):
    """Return a drawing's path as indexes have it: without `prefix` where it starts so, absolute otherwise.

    Args:
        path: file name.
        prefix: DATASETS.ROOT, absolute and with a separator at its end.
    """
    return (path if path.startswith(prefix) else os.path.abspath(path)).removeprefix(prefix)
