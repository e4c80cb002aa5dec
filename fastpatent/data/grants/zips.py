"""ZIP files that nobody vouches for: opened and read within bounds, whatever their table of contents says."""

import os
import stat
import zipfile
import zlib
from pathlib import PurePosixPath

from fastpatent.data.grants.skips import Reason, Refused

PIECE = 8 * 2**20  # bytes read at once, so also of a table of contents: room for 80,000 members, a week has under 10,000
STEP = 2**20
END = b"PK\5\6"  # starts the record that a ZIP file ends with
END_BYTES = 22  # of it, without the comment behind
ENCRYPTED_FLAG = 1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of the others, Python unpacks a whole piece at once, however large


class _InPieces:
    """A seekable file that hands out no more than PIECE bytes at a time."""

    def __init__(self, file):
        self._file = file
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, count=-1):
        data = self._file.read(PIECE + 1 if count < 0 else min(count, PIECE + 1))
        if len(data) > PIECE:
            raise zipfile.BadZipFile(f"its table of contents has more than {PIECE:,} bytes")
        return data


def open_zip(file):
    """Open a ZIP file whose table of contents may lie.

    Args:
        file: seekable binary file.

    Returns:
        zipfile.ZipFile; closing it leaves `file` open.

    Raises:
        Refused: it is no whole ZIP file, or its table of contents has more than PIECE bytes.
    """
    try:
        archive = zipfile.ZipFile(_InPieces(file))
    except Exception as error:  # a parser that is fed damaged bytes may raise anything
        raise Refused(Reason.DAMAGED, f"no whole ZIP file: {error}") from error
    # of a file that is cut short, zipfile may take the end of a ZIP file inside of it for its own
    file.seek(-len(archive.comment) - END_BYTES, os.SEEK_END)
    if file.read(len(END)) != END:
        raise Refused(Reason.DAMAGED, "no whole ZIP file: its end is missing")
    return archive


def refuse_name(name):
    """Raise Refused where a member's name, unpacked, would leave its folder."""
    if name[:1] in ("/", "\\") or name[1:2] == ":" or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise Refused(Reason.UNSAFE, "its name is absolute or climbs with ..")


def refuse_member(info, limit):
    """Raise Refused where a member of a ZIP file is not to be read, by what the table of contents says of it.

    Args:
        info: zipfile.ZipInfo.
        limit: most bytes that it may unpack to.
    """
    refuse_name(info.orig_filename)
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise Refused(Reason.NO_FILE, "it is a link or a device")
    if info.flag_bits & ENCRYPTED_FLAG:
        raise Refused(Reason.ENCRYPTED, "it needs a password")
    if info.file_size > limit:
        raise Refused(Reason.LARGE, f"it unpacks to {info.file_size:,} bytes, {limit:,} are left")
    if info.compress_type not in METHODS:
        raise Refused(Reason.DAMAGED, f"it is packed by method {info.compress_type}; only stored and deflated are read")


def unzip_member(archive, info, limit):
    """Return the bytes of a member of an open ZIP file.

    No more than `limit` bytes are unpacked: the declared size is checked first, and what exceeds it is never unpacked and
    spoils the checksum.

    Raises:
        Refused: see `refuse_member`; or it is cut short, damaged, or not of the size and checksum that it should have.
    """
    refuse_member(info, limit)
    try:
        with archive.open(info) as file:
            data = b"".join(iter(lambda: file.read(STEP), b""))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise Refused(Reason.DAMAGED, str(error) or "it is cut short") from error
    if len(data) != info.file_size:
        raise Refused(Reason.DAMAGED, f"it has {len(data):,} bytes instead of {info.file_size:,}")
    return data
