"""Weekly archives of the patent office, tar or zip: their design patents, and the bytes of each patent's ZIP file.

Current tars hold `I20210105/DESIGN/USD0907292-20210105.ZIP`. Zips of about 2008 to 2010 hold the same below
`project/pdds/ICEwithdraw/`. Utility, plant and reissue patents lie beside `DESIGN` under names without the D. So a member
is identified by its file name alone, and the folders are ignored.
"""

import os
import re
import shlex
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import BinaryIO, NamedTuple
from zipfile import ZipFile, ZipInfo

from fastpatent.errors import DataError
from fastpatent.files import open_regular
from fastpatent.uspto.other_input import refuse_contents, refuse_start
from fastpatent.uspto.skips import Reason, Refused, Skip
from fastpatent.uspto.tars import Entry, is_tar, tar_entries
from fastpatent.uspto.zips import open_zip, refuse_member, refuse_name, unzip_member

PATENT = re.compile(r"(?:.*[/\\])?(USD\d{7}-\d{8})\.ZIP", re.IGNORECASE | re.ASCII)
DESIGN = re.compile(r"(?:.*[/\\])?USD[^/\\]*\.ZIP", re.IGNORECASE | re.ASCII)
ZIP_STARTS = (b"PK\3\4", b"PK\5\6")


class Member(NamedTuple):
    """The ZIP file of one patent inside a weekly archive; `place` and `size` as in `Entry`."""

    archive: str
    name: str
    patent: str
    place: int
    size: int


def is_zip(path: str | os.PathLike[str]) -> bool:
    """Return whether an archive is a zip (else a tar), by its first bytes, or by its suffix where those are damaged.

    Raises:
        DataError: it is neither, or cannot be read; the message says what it is.
    """
    try:
        with open_regular(path) as file:
            start = file.read(tarfile.BLOCKSIZE)
    except IsADirectoryError as error:
        pack = f"tar -cf week.tar {shlex.quote(os.fspath(path))}"
        raise DataError(
            f"{path}: a folder; name the archives in it, or pack the ZIP files of patents in it: {pack}"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: the archive cannot be read: {error.strerror}") from error
    if start[:4] in ZIP_STARTS or is_tar(start):
        return start[:4] in ZIP_STARTS
    refuse_start(path, start)
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".tar", ".zip"):
        raise DataError(f"{path}: neither a tar nor a zip file")
    return suffix == ".zip"


def check_archive(path: str | os.PathLike[str]) -> None:
    """Raise DataError where a path is not that of a weekly archive: see `is_zip` and `refuse_contents`."""
    with _entries(path) as entries:
        refuse_contents(path, entries)


def scan_archive(path: str | os.PathLike[str], limit: int) -> Iterator[Member | Skip]:
    """Iterate over the table of contents of a weekly archive.

    Args:
        path: the archive.
        limit: maximum size of a patent's ZIP file, in bytes.

    Yields:
        `Member` for every usable design patent, `Skip` for everything else except folders; in the archive's order.

    Raises:
        DataError: see `is_zip`.
    """
    with _entries(path) as entries:
        for entry in entries:
            try:
                yield _member(path, entry, limit)
            except Refused as refused:
                yield refused.skip(entry.name)


def read_member(member: Member, limit: int) -> bytes:
    """Return the bytes of one patent's ZIP file.

    Raises:
        Refused: it is truncated or damaged.
    """
    if is_zip(member.archive):
        archive = _opened(member.archive, os.getpid(), os.stat(member.archive).st_mtime_ns)
        return unzip_member(archive, archive.infolist()[member.place], limit)
    with open(member.archive, "rb") as file:
        file.seek(member.place)
        data = file.read(member.size)
    if len(data) < member.size:
        raise Refused(Reason.DAMAGED, "the archive is truncated inside this member")
    return data


@contextmanager
def _entries(path: str | os.PathLike[str]) -> Iterator[Iterator[Entry]]:
    """Open an archive for the iterator over its entries."""
    entries = _zip_entries if is_zip(path) else tar_entries
    with open(path, "rb") as file:
        yield entries(file)


def _zip_entries(file: BinaryIO) -> Iterator[Entry]:
    try:
        archive = open_zip(file)
    except Refused as refused:
        yield Entry("", fault=Refused(Reason.ARCHIVE, refused.detail))
        return
    for number, info in enumerate(archive.infolist()):
        if not info.filename.endswith("/"):  # is_dir fails on an empty name in Python 3.11
            yield Entry(info.orig_filename, number, info.file_size, _fault(info))


def _fault(info: ZipInfo) -> Refused | None:
    """Return why a member of a zip is refused regardless of its size, or None."""
    try:
        refuse_member(info, info.file_size)
    except Refused as refused:
        return refused
    return None


def _member(path: str | os.PathLike[str], entry: Entry, limit: int) -> Member:
    """Return the `Member` of an entry; raise Refused where it is not a design patent or cannot be used."""
    if entry.fault and not entry.name:
        raise entry.fault
    refuse_name(entry.name)
    match = PATENT.fullmatch(entry.name)
    if not match:
        if DESIGN.fullmatch(entry.name):
            raise Refused(Reason.NAME, "the ZIP file of a design is named as in USD0907292-20210105.ZIP")
        raise Refused(Reason.NO_DESIGN, "")
    if entry.fault:
        raise entry.fault
    if entry.size > limit:
        raise Refused(Reason.LARGE, f"it has {entry.size:,} bytes, more than {limit:,}")
    return Member(str(path), entry.name, match[1].upper(), entry.place, entry.size)


@lru_cache(maxsize=1)
def _opened(path: str, process: int, modified: int) -> ZipFile:
    """Return a weekly zip, cached between patents: reading its table of contents takes longer than reading a patent.

    The process id is part of the key, since two processes must not seek in one file after a fork; so is the time of
    modification.
    """
    return open_zip(open(path, "rb"))
