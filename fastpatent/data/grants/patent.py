"""One patent out of a weekly archive: its drawings as PNG files in a folder, its metadata as a record."""

import hashlib
import io
import os
import re
import shutil
from dataclasses import dataclass, field

from fastpatent.data.grants.archives import read_member
from fastpatent.data.grants.patent_xml import read_patent_xml
from fastpatent.data.grants.sheets import sheet_to_png
from fastpatent.data.grants.skips import Reason, Refused
from fastpatent.data.grants.zips import open_zip, unzip_member


@dataclass
class Outcome:
    """What became of one `Member`.

    Attributes:
        member, place: its name in the weekly archive, and where it lies there.
        record: metadata as of `read_patent_xml` with `drawings`, a list of dicts of name, width, height and digest (of the
            PNG file's bytes, hexadecimal); None where the patent was refused.
        skips: list of `Skip`.
    """

    member: str
    place: int
    record: dict | None = None
    skips: list = field(default_factory=list)


def patent_folder(patent):
    """Return where a patent's drawings lie below the folder of all drawings: I20210105/USD0907292-20210105."""
    return f"I{patent[-8:]}/{patent}"


def convert_patent(member, folder, limit):
    """Read a patent and write its drawings; the folder of its drawings appears whole or not at all.

    A patent without usable metadata is refused; without one of its drawings it is kept, and the drawing is told.

    Args:
        member: `Member` of a weekly archive.
        folder: of all drawings.
        limit: most bytes that the ZIP file may have, and most that its XML and drawings together may unpack to.

    Returns:
        Outcome.

    Raises:
        OSError: the archive cannot be read, or the drawings not be written.
    """
    outcome = Outcome(member.name, member.place)
    try:
        contents = _Contents(member, limit, outcome.skips)
        record, named = read_patent_xml(contents.read(f"{member.patent}.XML"), member.patent)
        for name in sorted({name.upper() for name in named}.difference(contents.drawings())):
            contents.skip(name, Refused(Reason.MISSING, "the XML names it, the ZIP file has none"))
        record["drawings"] = _write_drawings(contents, os.path.join(folder, patent_folder(member.patent)))
        outcome.record = record
    except Refused as refused:
        outcome.skips.append(refused.skip(member.name))
    return outcome


class _Contents:
    """The files of a patent's ZIP file, by name; what belongs to no patent, or to no drawing, is told in `skips`."""

    def __init__(self, member, limit, skips):
        self.member, self.left, self.skips = member, limit, skips
        self._zip = open_zip(io.BytesIO(read_member(member, limit)))
        self._files = {}
        wanted = re.compile(rf"{member.patent}(\.XML|-[DP]\d{{5}}\.TIF)", re.ASCII)
        for info in self._zip.infolist():
            name = re.split(r"[/\\]", info.filename)[-1].upper()
            if info.is_dir():
                continue
            if not wanted.fullmatch(name):
                self.skip(info.filename, Refused(Reason.NO_DRAWING, "neither a drawing nor the XML of this patent"))
            elif name in self._files:
                self.skip(info.filename, Refused(Reason.TWICE, "a second file of this name"))
            else:
                self._files[name] = info

    def drawings(self):
        """Return the names of the drawings, sorted."""
        return sorted(name for name in self._files if name.endswith(".TIF"))

    def read(self, name):
        """Return the bytes of a file; they count against the patent's limit. Refused where it is not there, or no use."""
        if name not in self._files:
            raise Refused(Reason.XML, f"there is no {name}")
        data = unzip_member(self._zip, self._files[name], self.left)
        self.left -= len(data)
        return data

    def skip(self, name, refused):
        """Tell that a file is left out."""
        self.skips.append(refused.skip(f"{self.member.name}/{name}"))


def _write_drawings(contents, folder):
    """Convert all drawings; return their entries in the record. Refused where none is left."""
    hidden = os.path.join(os.path.dirname(folder), f".{os.path.basename(folder)}")  # what a kill leaves is written anew
    shutil.rmtree(hidden, ignore_errors=True)
    os.makedirs(hidden)
    try:
        drawings = []
        for name in contents.drawings():
            try:
                png, width, height = sheet_to_png(contents.read(name))
            except Refused as refused:
                contents.skip(name, refused)
                continue
            drawing = f"{name.removesuffix('.TIF')}.png"
            with open(os.path.join(hidden, drawing), "wb") as file:
                file.write(png)
            digest = hashlib.blake2b(png, digest_size=16).hexdigest()
            drawings.append({"name": drawing, "width": width, "height": height, "digest": digest})
        if not drawings:
            raise Refused(Reason.EMPTY, "not one of its drawings can be read")
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(hidden, folder)
    except OSError as error:
        # a full disk does not say which file
        raise OSError(error.errno, error.strerror or str(error), error.filename or folder) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return drawings
