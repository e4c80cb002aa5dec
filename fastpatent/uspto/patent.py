"""One patent of a weekly archive: its drawings as PNG files in a folder, its metadata as a record."""

import hashlib
import io
import os
import re
import shutil
import zipfile
from collections.abc import Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from fastpatent.data.confinement import Confinement
from fastpatent.errors import DataError
from fastpatent.files import remove_files
from fastpatent.uspto.archives import Member, read_member
from fastpatent.uspto.patent_xml import Metadata, read_patent_xml
from fastpatent.uspto.sheets import PIXELS as SHEET_PIXELS
from fastpatent.uspto.sheets import Undecoded, sheet_to_png
from fastpatent.uspto.skips import Reason, Refused, Skip
from fastpatent.uspto.zips import open_zip, unzip_member

FILES = 1000  # most in a patent's ZIP file, and most drawings that its XML may name; the largest of 50 real patents has 69
ENTRY_BYTES = 256  # of a file in the table of contents of a patent's ZIP file, on average; those of the office have 100
PIXELS = 4 * 10**9  # most of a patent's drawings together: 480 sheets of 2,560 x 3,300


class Drawing(TypedDict):
    """One PNG file: name, size in pixels, and digest of its bytes (hexadecimal)."""

    name: str
    width: int
    height: int
    digest: str


class Record(Metadata):
    """The metadata of a patent, and its drawings."""

    drawings: list[Drawing]


@dataclass
class Outcome:
    """The result of converting one `Member`.

    Attributes:
        member, place: its name and place in the weekly archive.
        record: None where the patent was refused.
        skips: what was skipped.
    """

    member: str
    place: int
    record: Record | None = None
    skips: list[Skip] = field(default_factory=list)


def patent_folder(patent: str) -> str:
    """Return a patent's folder, relative to the folder of all drawings: I20210105/USD0907292-20210105."""
    return f"I{patent[-8:]}/{patent}"


def convert_patent(member: Member, folder: str | os.PathLike[str], limit: int) -> Outcome:
    """Read a patent and write its drawings; the folder of its drawings is written atomically.

    A patent without usable metadata or of too many files is refused. A drawing that cannot be used is skipped and reported,
    and the others are written.

    Args:
        member: of a weekly archive.
        folder: of all drawings.
        limit: maximum size of the ZIP file, and of its unpacked XML and drawings together, in bytes.

    Raises:
        DataError: the folder of the week leads out of `folder`, or the patent's has files that no build wrote.
        OSError: the archive cannot be read, or the drawings cannot be written.
    """
    outcome = Outcome(member.name, member.place)
    try:
        contents = _Contents(member, limit, outcome.skips)
        metadata, named = read_patent_xml(contents.read(f"{member.patent}.XML"), member.patent)
        _refuse_many(named, "the XML names")
        for name in sorted({name.upper() for name in named}.difference(contents.drawings())):
            contents.skip(name, Refused(Reason.MISSING, "the XML names it, the ZIP file has none"))
        place = os.path.join(folder, patent_folder(member.patent))
        Confinement(folder).check(os.path.dirname(place), "the data set", "remove the link")
        drawings = _write_drawings(contents, place)
        outcome.record = {**metadata, "drawings": drawings}
    except Refused as refused:
        outcome.skips.append(refused.skip(member.name))
    return outcome


class _Contents:
    """The files of a patent's ZIP file, by name; files that are neither its XML nor its drawings are added to `skips`."""

    def __init__(self, member: Member, limit: int, skips: list[Skip]) -> None:
        self.member, self.left, self.skips = member, limit, skips
        self._zip = open_zip(io.BytesIO(read_member(member, limit)), FILES * ENTRY_BYTES)
        self._files: dict[str, zipfile.ZipInfo] = {}
        _refuse_many(self._zip.infolist(), "the ZIP file holds")
        wanted = re.compile(rf"{member.patent}(\.XML|-[DP]\d{{5}}\.TIF)", re.ASCII)
        for info in self._zip.infolist():
            name = re.split(r"[/\\]", info.filename)[-1].upper()
            if info.filename.endswith("/"):  # is_dir fails on an empty name in Python 3.11
                continue
            if not wanted.fullmatch(name):
                self.skip(info.filename, Refused(Reason.NO_DRAWING, "neither a drawing nor the XML of this patent"))
            elif name in self._files:
                self.skip(info.filename, Refused(Reason.TWICE, "a second file of this name"))
            else:
                self._files[name] = info

    def drawings(self) -> list[str]:
        """Return the names of the drawings, sorted."""
        return sorted(name for name in self._files if name.endswith(".TIF"))

    def read(self, name: str) -> bytes:
        """Return the bytes of a file, which count against the patent's limit; raise Refused where it cannot be used."""
        if name not in self._files:
            raise Refused(Reason.XML, f"there is no {name}")
        data = unzip_member(self._zip, self._files[name], self.left)
        self.left -= len(data)
        return data

    def skip(self, name: str, refused: Refused) -> None:
        """Record that a file is skipped."""
        self.skips.append(refused.skip(f"{self.member.name}/{name}"))


def _refuse_many(files: Sized, where: str) -> None:
    """Raise Refused where there are too many files: each that is no drawing is reported."""
    if len(files) > FILES:
        raise Refused(Reason.LARGE, f"{where} {len(files):,} files, more than {FILES:,}")


def _write_drawings(contents: _Contents, folder: str) -> list[Drawing]:
    """Convert all drawings; return their entries in the record. Raise Refused where none is left."""
    hidden = os.path.join(os.path.dirname(folder), f".{os.path.basename(folder)}")  # one left by a killed run is replaced
    _clear(hidden)
    os.makedirs(hidden)  # new, so no link leads it elsewhere
    try:
        drawings: list[Drawing] = []
        pixels = 0
        for name in contents.drawings():
            try:
                if pixels > PIXELS:
                    raise Refused(Reason.LARGE, f"those before it have, or may have, more than {PIXELS:,} pixels")
                png, width, height = sheet_to_png(contents.read(name))
            except Refused as refused:
                contents.skip(name, refused)
                pixels += SHEET_PIXELS * isinstance(refused, Undecoded)  # it may fail in its last row
                continue
            pixels += width * height
            drawing = f"{name.removesuffix('.TIF')}.png"
            with open(os.path.join(hidden, drawing), "wb") as file:
                file.write(png)
            digest = hashlib.blake2b(png, digest_size=16).hexdigest()
            drawings.append({"name": drawing, "width": width, "height": height, "digest": digest})
        if not drawings:
            raise Refused(Reason.EMPTY, "none of its drawings can be read")
        _clear(folder)
        os.rename(hidden, folder)
    except OSError as error:
        # a full disk is reported without a name
        raise OSError(error.errno, error.strerror or str(error), error.filename or folder) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return drawings


def _clear(place: str) -> None:
    """Remove a link, or a patent's folder of an earlier run; raise DataError where it has what no build writes."""
    if os.path.islink(place):
        os.unlink(place)
    elif os.path.lexists(place):
        remove_files(Path(place).glob(f"{os.path.basename(place).lstrip('.')}-[DP]{'[0-9]' * 5}.png"))
        try:
            os.rmdir(place)
        except OSError as error:
            raise DataError(f"{place}: is in the way or has files that no build wrote; move it away") from error
