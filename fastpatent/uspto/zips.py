"""Untrusted ZIP files: opened and read within limits that do not depend on their table of contents."""

import os
import stat
import zipfile
from pathlib import PurePosixPath
from typing import BinaryIO

from fastpatent.uspto.skips import Reason, Refused

PIECE = 8 * 2**20  # most bytes read at once, also of a table of contents: 80,000 members, a week has under 10,000
STEP = 2**20
END = b"PK\5\6"  # start of the record at the end of a ZIP file
END_BYTES = 22  # of that record, without the comment after it
ENCRYPTED_FLAG = 1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of others, Python unpacks a whole piece at once, of any size


class _InPieces:
    """A seekable file that returns at most `most` bytes per read."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file, self.most = file, most
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(self.most + 1 if count < 0 else min(count, self.most + 1))
        if len(data) > self.most:
            raise zipfile.BadZipFile(f"its table of contents has more than {self.most:,} bytes")
        return data


def open_zip(file: BinaryIO, most: int = PIECE) -> zipfile.ZipFile:
    """Open a ZIP file whose table of contents may be wrong.

    Args:
        file: seekable.
        most: bytes of its table of contents, at most PIECE: `zipfile` makes an object of every 46.

    Returns:
        The archive; closing it leaves `file` open.

    Raises:
        Refused: it is not a complete ZIP file, or its table of contents has more than `most` bytes.
    """
    try:
        pieces = _InPieces(file, most)
        archive = zipfile.ZipFile(pieces)
    except Exception as error:  # parsers may raise anything on damaged bytes
        raise Refused(Reason.DAMAGED, f"not a complete ZIP file: {error}") from error
    pieces.most = PIECE  # of a member
    # in a truncated file, zipfile may take the end record of a nested ZIP file for that of the file
    file.seek(-len(archive.comment) - END_BYTES, os.SEEK_END)
    if file.read(len(END)) != END:
        raise Refused(Reason.DAMAGED, "not a complete ZIP file: its end is missing")
    return archive


def refuse_name(name: str) -> None:
    """Raise Refused where a member's name leads outside the folder it is unpacked to."""
    if name[:1] in ("/", "\\") or name[1:2] == ":" or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise Refused(Reason.UNSAFE, "its name is absolute or contains ..")


def refuse_member(info: zipfile.ZipInfo, limit: int) -> None:
    """Raise Refused where a member of a ZIP file must not be read, judged by its entry in the table of contents.

    Args:
        info: the entry.
        limit: maximum unpacked size, in bytes.
    """
    refuse_name(info.orig_filename)
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise Refused(Reason.NO_FILE, "it is a link or a device")
    if info.flag_bits & ENCRYPTED_FLAG:
        raise Refused(Reason.ENCRYPTED, "it needs a password")
    if info.file_size > limit:
        raise Refused(Reason.LARGE, f"it unpacks to {info.file_size:,} bytes, more than the remaining {limit:,}")
    if info.compress_type not in METHODS:
        raise Refused(Reason.DAMAGED, f"its compression method is {info.compress_type}; only stored and deflated are read")


def unzip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """Return the bytes of a member of an open ZIP file.

    At most `limit` bytes are unpacked: the declared size is checked first, and data beyond it is never unpacked and
    fails the checksum.

    Raises:
        Refused: see `refuse_member`; or it is truncated, damaged, or has a wrong size or checksum.
    """
    refuse_member(info, limit)
    try:
        with archive.open(info) as file:
            data = b"".join(iter(lambda: file.read(STEP), b""))
    except Exception as error:  # on damaged bytes, zipfile raises anything: OverflowError for an offset of 2**64 - 1
        raise Refused(Reason.DAMAGED, str(error) or "it is truncated") from error
    if len(data) != info.file_size:
        raise Refused(Reason.DAMAGED, f"it has {len(data):,} bytes instead of {info.file_size:,}")
    return data
