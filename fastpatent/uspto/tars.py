"""The table of contents of an untrusted tar file, read header by header.

`tarfile` stops silently at a damaged header, reads names of any declared length, and keeps every header in memory. Here a
damaged header is reported and the next intact one searched for; nothing is kept in memory.
"""

import errno
import os
import re
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from fastpatent.uspto.skips import Reason, Refused

BLOCK = tarfile.BLOCKSIZE
END = bytes(BLOCK)  # a block of zeros marks the end of a tar
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE)  # headers that hold the name of the next one
BODILESS = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)
SILENT = (tarfile.DIRTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK)
NAME_BYTES = 2**16  # longer names are not those of patents
PAX_PATH = re.compile(rb"(?:^|\n)\d{1,20} path=([^\n]*)\n")


class Entry(NamedTuple):
    """A file in an archive.

    Attributes:
        name: as stored in the archive; "" for a fault of the archive itself.
        place: in a tar the offset of its bytes, in a zip its index in the table of contents.
        size: unpacked, in bytes.
        fault: why it cannot be read, or None.
    """

    name: str
    place: int = 0
    size: int = 0
    fault: Refused | None = None


def is_tar(start: bytes) -> bool:
    """Return whether a file's first block is a tar header."""
    try:
        return _header(start).size >= 0
    except tarfile.HeaderError:
        return False


def tar_entries(file: BinaryIO) -> Iterator[Entry]:
    """Yield an `Entry` for every file, link and device of a tar, and for every damaged range.

    Args:
        file: the tar, seekable.
    """
    size = file.seek(0, os.SEEK_END)
    offset, damaged, name, ended = 0, None, None, False
    while offset + BLOCK <= size:
        file.seek(offset)
        block = file.read(BLOCK)
        if block == END:
            ended, offset = True, _next_data(file, offset + BLOCK, size)
            continue
        try:
            header = _header(block)
        except tarfile.HeaderError:
            damaged = offset if damaged is None else damaged
            offset += BLOCK
            continue
        if damaged is not None:
            yield _damage(f"bytes {damaged:,} to {offset:,} are not part of a tar")
            damaged = None
        place = offset + BLOCK
        offset = place if header.type in BODILESS else place + -(-header.size // BLOCK) * BLOCK
        ended = False
        if header.type in NAMES:
            name = _told_name(header, file.read(min(header.size, NAME_BYTES)))
        elif header.type not in SILENT:
            yield _entry(header, name or header.name, place, size)
            name = None
    if damaged is not None:
        yield _damage(f"bytes {damaged:,} to {size:,} are not part of a tar")
    elif not ended:
        yield _damage("it has no end mark, so it is truncated")


def _next_data(file: BinaryIO, offset: int, size: int) -> int:
    """Return the offset of the block that holds the next data on disk: a sparse file has terabytes of zeros on none."""
    try:
        return os.lseek(file.fileno(), offset, os.SEEK_DATA) // BLOCK * BLOCK
    except OSError as error:
        return size if error.errno == errno.ENXIO else offset  # there is none; or the file system does not know


def _header(block: bytes) -> tarfile.TarInfo:
    header = tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
    if header.size < 0:
        raise tarfile.HeaderError("negative size")
    return header


def _told_name(header: tarfile.TarInfo, data: bytes) -> str | None:
    """Return the name that an extension header gives to the next one, or None."""
    if header.type == tarfile.XHDTYPE:
        told = PAX_PATH.search(data)
        data = told[1] if told else b""
    return data.rstrip(b"\0").decode("utf-8", "backslashreplace") or None


def _entry(header: tarfile.TarInfo, name: str, place: int, size: int) -> Entry:
    fault = None
    if header.type not in FILES:
        fault = Refused(Reason.NO_FILE, "it is a link or a device")
    elif place + header.size > size:
        fault = Refused(Reason.DAMAGED, "the archive is truncated inside this member")
    return Entry(name, place, header.size, fault)


def _damage(detail: str) -> Entry:
    return Entry("", fault=Refused(Reason.ARCHIVE, detail))
