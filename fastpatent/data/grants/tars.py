"""The table of contents of a tar file that nobody vouches for, told header by header.

`tarfile` stops without a word at a damaged header, reads the names of a header as long as it declares them, and keeps every
header in memory. Here a damaged header is reported and the next whole one looked for; nothing is kept.
"""

import os
import re
import tarfile

from fastpatent.data.grants.entries import Entry
from fastpatent.data.grants.skips import Reason, Refused

BLOCK = tarfile.BLOCKSIZE
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE)  # headers that tell the name of the next one
BODILESS = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)
SILENT = (tarfile.DIRTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK)
NAME_BYTES = 2**16  # a longer name is none of ours
PAX_PATH = re.compile(rb"\d+ path=([^\n]*)\n")


def is_tar(start):
    """Tell whether a file's first block is the header of a tar."""
    try:
        return _header(start).size >= 0
    except tarfile.HeaderError:
        return False


def tar_entries(file):
    """Go through the headers of a tar; yields an `Entry` for every file, link and device, and for every damaged part.

    Args:
        file: the tar, binary, seekable.
    """
    size = file.seek(0, os.SEEK_END)
    offset, damaged, name, ended = 0, None, None, False
    while offset + BLOCK <= size:
        file.seek(offset)
        try:
            header = _header(file.read(BLOCK))
        except tarfile.EOFHeaderError:
            ended, offset = True, offset + BLOCK
            continue
        except tarfile.HeaderError:
            damaged = offset if damaged is None else damaged
            offset += BLOCK
            continue
        if damaged is not None:
            yield _damage(f"bytes {damaged:,} to {offset:,} are no part of a tar")
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
        yield _damage(f"bytes {damaged:,} to {size:,} are no part of a tar")
    elif not ended:
        yield _damage("it ends without an end mark, so it is cut short")


def _header(block):
    header = tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
    if header.size < 0:
        raise tarfile.HeaderError("negative size")
    return header


def _told_name(header, data):
    """Return the name that an extension header tells for the next one, or None."""
    if header.type == tarfile.XHDTYPE:
        told = PAX_PATH.search(data)
        data = told[1] if told else b""
    return data.rstrip(b"\0").decode("utf-8", "backslashreplace") or None


def _entry(header, name, place, size):
    fault = None
    if header.type not in FILES:
        fault = Refused(Reason.NO_FILE, "it is a link or a device")
    elif place + header.size > size:
        fault = Refused(Reason.DAMAGED, "the archive is cut short within it")
    return Entry(name, place, header.size, fault)


def _damage(detail):
    return Entry("", fault=Refused(Reason.ARCHIVE, detail))
