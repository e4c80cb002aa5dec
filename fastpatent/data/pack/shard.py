"""The files of a pack: shards of grey pixels, each with an index of its drawings.

`00003.0.u8` holds uint8 [drawings, height, width] and nothing else. `00003.json` is its index in JSON Lines: a header,
then one line per drawing, `[path, bytes of the source file, its mtime in ns, CRC-32 of the packed pixels]`. That of a
portable pack has the SHA-256 of the source file in place of its time, which another machine would not know. The index is
written last and names its pixel file, so a shard appears, or is replaced, at the moment its index is renamed into place.
"""

import json
import os
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL

from fastpatent.errors import DataError
from fastpatent.files import head, read_regular, write_atomically

VERSION = 3  # 1: order of the resize passes chosen by Pillow; 2: TIFF and PNG files that lie on their side were not upright
PORTABLE = 4  # the same with digests
DRAWINGS_A_SHARD = 4096  # at most these are lost when a run is killed; 256 MiB at 256 px
MOST_INDEX = DRAWINGS_A_SHARD * 2**12  # bytes; a drawing takes about 100, and a path at most 4096
HEAD = b'{"version": '  # of an index
PORTABLE_HEAD = HEAD + b"%d," % PORTABLE
INDEX = re.compile(r"(\d{5})\.json", re.ASCII)
PIXELS = re.compile(r"(\d{5})\.(\d+)\.u8", re.ASCII)


class PackSize(NamedTuple):
    """The size of a pack's drawings: height and width in pixels, whether their aspect ratio was kept, the filter, and
    whether white on black was made black on white.
    """

    height: int
    width: int
    keep_aspect: bool
    interpolation: str = "bicubic"
    invert: bool = False

    @property
    def folder(self) -> str:
        """The folder name of such a pack."""
        filtered = "" if self.interpolation == "bicubic" else f"-{self.interpolation}"
        return f"{self.height}x{self.width}{'-aspect' * self.keep_aspect}{filtered}{'-invert' * self.invert}"

    @property
    def bytes(self) -> int:
        """The number of bytes of one drawing."""
        return self.height * self.width


class Entry(NamedTuple):
    """One packed drawing: path inside DATASETS.ROOT, size of its file when packed, its stamp, CRC-32 of the pixels.

    The stamp is the mtime of the file in ns, or in a portable pack its SHA-256, empty where the file was gone.
    """

    path: str
    size: int
    stamp: int | str
    crc: int

    def is_of(self, status: os.stat_result) -> bool:
        """Return whether the file with this status is the one that was packed; of a portable pack, by its size alone."""
        return self.size == status.st_size and (isinstance(self.stamp, str) or self.stamp == status.st_mtime_ns)


@dataclass
class Shard:
    """A shard as given by its index; `check_pixels` and the checksums verify the pixels. `pillow` is what decoded them."""

    index: Path
    pixels: Path
    size: PackSize
    entries: list[Entry]
    portable: bool
    pillow: str

    @property
    def number(self) -> int:
        """The shard's number in its pack."""
        return int(self.index.stem)

    @property
    def generation(self) -> int:
        """The number of times the shard's pixels have been replaced."""
        return int(self.pixels.name.split(".")[1])


def map_pixels(path: str | os.PathLike[str], count: int, size: PackSize) -> np.ndarray:
    """Memory-map the first `count` drawings of a pixel file, read-only uint8 [count, height, width]; fewer if it is short.

    Raises:
        OSError: the file does not exist or cannot be read.
    """
    count = min(count, os.stat(path).st_size // size.bytes)
    if not count:  # mmap rejects empty files
        return np.empty((0, size.height, size.width), np.uint8)
    # a view as a plain array: slicing a memmap is slower
    return np.memmap(path, np.uint8, "r", shape=(count, size.height, size.width)).view(np.ndarray)


def read_shards(folder: str | os.PathLike[str], size: PackSize) -> tuple[list[Shard], list[DataError]]:
    """Read the indexes of a pack.

    Returns:
        (list of `Shard`, list of a DataError for each that cannot be used).
    """
    shards: list[Shard] = []
    faults: list[DataError] = []
    for name in sorted(os.listdir(folder)):
        if INDEX.fullmatch(name):
            try:
                shards.append(read_index(Path(folder) / name, size))
            except DataError as error:
                faults.append(error)
    return shards, faults


def read_index(path: Path, size: PackSize) -> Shard:
    """Read one index; DataError if it is damaged, of another version or size, or of another Pillow and not portable."""
    try:
        header, _, lines = read_regular(path, MOST_INDEX).partition(b"\n")
        header = json.loads(header)
        portable = header["version"] == PORTABLE
        if header["version"] != VERSION and not portable:
            raise DataError(f"{path}: a pack of version {header['version']!s:.20}, this program reads {VERSION}")
        if PackSize(*(header[name] for name in PackSize._fields)) != size:
            raise DataError(f"{path}: the index is of another size than {size.folder}")
        pixels = PIXELS.fullmatch(header["pixels"])
        if zlib.crc32(lines) != header["crc32"] or not pixels or pixels[1] != path.stem:
            raise ValueError
        if header["pillow"] != PIL.__version__ and not portable:  # other versions may decode or round differently
            raise DataError(f"{path}: packed with Pillow {header['pillow']!s:.20}, this is {PIL.__version__}")
        # one call for all lines: a call per line takes three times as long
        entries = [Entry(*row) for row in json.loads(b"[" + lines.rstrip().replace(b"\n", b",") + b"]")]
        stamp = str if portable else int
        if len(entries) > DRAWINGS_A_SHARD or not all(_is_entry(entry, stamp) for entry in entries):
            raise ValueError
    except OSError as error:
        raise DataError(f"{path}: the index cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{path}: the index is damaged or only half written") from error
    return Shard(path, path.with_name(header["pixels"]), size, entries, portable, str(header["pillow"]))


def begins_as_index(path: Path, beginning: bytes = HEAD) -> bool:
    """Return whether a file begins as indexes of every version do, whole or not; or with PORTABLE_HEAD."""
    try:
        return head(path).startswith(beginning)
    except (OSError, DataError):
        return False


def _is_entry(entry: Entry, stamp: type) -> bool:
    path, size, found, crc = entry
    os.fsencode(path)  # ValueError of text that is no file's name
    numbers = type(size) is type(crc) is int and 0 <= crc < 2**32
    return type(path) is str and "\0" not in path and type(found) is stamp and numbers


def check_pixels(shard: Shard) -> None:
    """Raise DataError if a shard's pixel file is missing or its length does not match the index."""
    expected = len(shard.entries) * shard.size.bytes
    try:
        found = os.stat(shard.pixels).st_size
    except OSError as error:
        raise DataError(f"{shard.pixels}: the shard cannot be read: {error.strerror}") from error
    if found != expected:
        raise DataError(f"{shard.pixels}: the shard has {found:,} bytes instead of {expected:,}")


def write_shard(
    folder: str | os.PathLike[str],
    number: int,
    generation: int,
    size: PackSize,
    drawings: Iterable[tuple[Entry, np.ndarray]],
    portable: bool = False,
    pillow: str = PIL.__version__,
) -> None:
    """Write the pixels of one shard, then its index.

    Args:
        folder: folder of the pack.
        number: number of the shard.
        generation: generation of its pixels; must differ from that of a shard it replaces.
        size: PackSize.
        drawings: iterable of (Entry, uint8 [height, width]), consumed while writing; at least one.
        portable: whether their stamps are digests.
        pillow: version of Pillow that decoded them.
    """
    pixels, entries = Path(folder) / f"{number:05d}.{generation}.u8", []

    def write_pixels(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            for entry, drawing in drawings:
                file.write(np.ascontiguousarray(drawing).data)
                entries.append(entry)

    write_atomically(pixels, write_pixels)
    lines = "".join(f"{json.dumps(entry)}\n" for entry in entries).encode()
    header = {
        "version": PORTABLE if portable else VERSION,
        **size._asdict(),
        "pillow": pillow,
        "pixels": pixels.name,
        "crc32": zlib.crc32(lines),
    }
    index = f"{json.dumps(header)}\n".encode() + lines
    write_atomically(Path(folder) / f"{number:05d}.json", lambda temporary: temporary.write_bytes(index))


def stored_path(path: str, prefix: str) -> str:
    """Return a drawing's path as stored in indexes: relative to `prefix` if it is inside it, else absolute.

    Args:
        path: file name.
        prefix: DATASETS.ROOT, absolute, with a trailing separator.
    """
    return (path if path.startswith(prefix) else os.path.abspath(path)).removeprefix(prefix)
