"""What is given in place of a weekly archive, known by its first bytes or by the names in it: a sentence on what to do."""

import os
import re
from collections.abc import Iterable

from fastpatent.errors import DataError
from fastpatent.text import short_line
from fastpatent.uspto.tars import Entry

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}
TEXT = re.compile(rb"[^\0-\x08\x0e-\x1a]*")  # the first block of a damaged archive has such bytes
HTML = re.compile(rb"<(!doctype\s+)?html\b", re.IGNORECASE)
GRANTS = re.compile(rb"<(!DOCTYPE\s+)?(us-patent-|PATDOC)")
PATENT_ZIP = re.compile(r"US[^.]*\.ZIP")  # of a design, an invention, a plant or a reissue
WANTED = 'the weekly archives "Patent Grant Full Text with Embedded TIFF Images" are wanted, as in I20210105.tar'
CONTENTS = {  # pattern of a name: what an archive is that holds it; the first pattern found decides
    r"US\w+-\d{8}\b.*\.(XML|SGM|TIF)": "the files of one patent ({}); pack the ZIP files of many: tar -cf week.tar US*.ZIP",
    r".+\.(TAR|TAR\.\w+|TGZ|ZIP)": "it holds an archive ({}); unpack it and build from that",
    r".+\.(XML|SGML?)|PFTAPS.*\.TXT": f"full text without drawings ({{}}); {WANTED}",
}


def refuse_start(path: str | os.PathLike[str], start: bytes) -> None:
    """Raise DataError where a file's first bytes are those of a compressed file or of a text, or there are none."""
    if start[:2] in COMPRESSED:
        raise DataError(f"{path}: a {COMPRESSED[start[:2]]} file, which allows no random access; unpack it first")
    if not TEXT.fullmatch(start):
        return
    if GRANTS.search(start):
        raise DataError(f"{path}: full text without drawings; {WANTED}")
    found = "empty" if not start else "an HTML page" if HTML.search(start) else "text"
    raise DataError(f"{path}: neither a tar nor a zip file, but {found}; if it is a download, it has failed")


def refuse_contents(path: str | os.PathLike[str], entries: Iterable[Entry]) -> None:
    """Raise DataError where an undamaged archive has no ZIP file of any patent, design or other."""
    found: dict[str, str] = {}
    for entry in entries:
        name = re.split(r"[/\\]", entry.name)[-1].upper()
        if PATENT_ZIP.fullmatch(name) or entry.fault and not entry.name:
            return
        for pattern, sentence in CONTENTS.items():
            if re.fullmatch(pattern, name):
                found.setdefault(sentence, entry.name)
    for sentence in CONTENTS.values():
        if sentence in found:
            raise DataError(f"{path}: {sentence.format(short_line(found[sentence]))}")
    raise DataError(f"{path}: it holds no ZIP file of a patent; {WANTED}")
