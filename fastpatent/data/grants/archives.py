"""Weekly archives of the patent office, tar or zip: which patents they hold, and the bytes of each patent's ZIP file.

Tars of today hold `I20210105/DESIGN/USD0907292-20210105.ZIP`, zips of about 2008 to 2010 the same below
`project/pdds/ICEwithdraw/`; utility, plant and reissue patents lie beside `DESIGN` under names without the D. So the name
of the file tells what it is, and the folders do not matter.
"""

import os
import re
import tarfile
from functools import lru_cache
from typing import NamedTuple

from fastpatent.data.grants.entries import Entry
from fastpatent.data.grants.skips import Reason, Refused
from fastpatent.data.grants.tars import is_tar, tar_entries
from fastpatent.data.grants.zips import open_zip, refuse_member, refuse_name, unzip_member
from fastpatent.errors import DataError

PATENT = re.compile(r"(?:.*[/\\])?(USD\d{7}-\d{8})\.ZIP", re.IGNORECASE | re.ASCII)
ZIP_STARTS = (b"PK\3\4", b"PK\5\6")
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}


class Member(NamedTuple):
    """The ZIP file of one patent inside a weekly archive; `place` and `size` as in `Entry`."""

    archive: str
    name: str
    patent: str
    place: int
    size: int


def is_zip(path):
    """Tell a zip from a tar by its first bytes, or by its name where those are damaged.

    Raises:
        DataError: it is neither, or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(tarfile.BLOCKSIZE)
    except OSError as error:
        raise DataError(f"{path}: the archive cannot be read: {error.strerror}") from error
    if start[:2] in COMPRESSED:
        raise DataError(f"{path}: a {COMPRESSED[start[:2]]} file, which can be read from its start only; unpack it first")
    if start[:4] in ZIP_STARTS or is_tar(start):
        return start[:4] in ZIP_STARTS
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".tar", ".zip"):
        raise DataError(f"{path}: neither a tar nor a zip file")
    return suffix == ".zip"


def scan_archive(path, limit):
    """Go through the table of contents of a weekly archive.

    Args:
        path: the archive.
        limit: most bytes that the ZIP file of a patent may have.

    Yields:
        `Member` for every design patent that can be tried, `Skip` for everything else but folders; in its order.

    Raises:
        DataError: see `is_zip`.
    """
    entries = _zip_entries if is_zip(path) else tar_entries
    with open(path, "rb") as file:
        for entry in entries(file):
            try:
                yield _member(path, entry, limit)
            except Refused as refused:
                yield refused.skip(entry.name)


def read_member(member, limit):
    """Return the bytes of the ZIP file of one patent; Refused where it is cut short or damaged."""
    if is_zip(member.archive):
        archive = _opened(member.archive, os.getpid(), os.stat(member.archive).st_mtime_ns)
        return unzip_member(archive, archive.infolist()[member.place], limit)
    with open(member.archive, "rb") as file:
        file.seek(member.place)
        data = file.read(member.size)
    if len(data) < member.size:
        raise Refused(Reason.DAMAGED, "the archive is cut short within it")
    return data


def _zip_entries(file):
    try:
        archive = open_zip(file)
    except Refused as refused:
        yield Entry("", fault=Refused(Reason.ARCHIVE, refused.detail))
        return
    for number, info in enumerate(archive.infolist()):
        if not info.is_dir():
            yield Entry(info.orig_filename, number, info.file_size, _fault(info))


def _fault(info):
    """Return what refuses a member of a zip, whatever its size."""
    try:
        refuse_member(info, info.file_size)
    except Refused as refused:
        return refused


def _member(path, entry, limit):
    """Return the `Member` of an entry; Refused where it is no design patent, or none to be read."""
    refuse_name(entry.name)
    match = PATENT.fullmatch(entry.name)
    if not match and entry.name:
        raise Refused(Reason.NO_DESIGN, "")
    if entry.fault:
        raise entry.fault
    if entry.size > limit:
        raise Refused(Reason.LARGE, f"it has {entry.size:,} bytes, more than {limit:,}")
    return Member(str(path), entry.name, match[1].upper(), entry.place, entry.size)


@lru_cache(maxsize=1)
def _opened(path, process, modified):
    """Return a weekly zip, kept open from one patent to the next: its table of contents takes longer to read than a patent.

    Not across a fork, after which two processes would seek in one file, nor across a change of the archive.
    """
    return open_zip(open(path, "rb"))
