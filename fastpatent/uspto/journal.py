"""The journal of one weekly archive, written during the conversion: an interrupted run resumes after the last whole line.

JSON Lines: the archive, the contents of its table of contents, a line per patent as soon as its drawings are on disk, and
a last line when all are. Each line ends with the CRC-32 of what is before it, so that a damaged one is noticed.
"""

import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import Any, Self

from fastpatent.files import regular
from fastpatent.uspto.patent import Outcome
from fastpatent.uspto.skips import Reason, Skip

VERSION = 2  # 1: lines had no checksum
CHECKED = re.compile(rb'(.*),"crc32":(\d{1,10})\}\n', re.DOTALL)
LONGEST = 2**26  # bytes of a line; one of a build has 35 MB at most: the text and elements of an XML, and 2,000 skips
MOST_VALUES = 4_000_000  # of a line, up to 72 bytes each; a build's have 400,000, and as many of these letters in their text
PATENT = re.compile(r"USD\d{7}-\d{8}", re.ASCII)
DRAWING = re.compile(r"(USD\d{7}-\d{8})-[DP]\d{5}\.png", re.ASCII)


class Journal:
    """The journal of one archive, resumed if it exists. One of another `origin` is overwritten.

    Args:
        path: of the journal; its folder must exist.
        origin: identifies the archive: everything that the outcome depends on.

    Attributes:
        scanned: the table of contents is recorded.
        places: of the recorded members.
        complete: nothing is left to do.
    """

    scanned: bool
    places: set[int]
    complete: bool
    _file: FileIO  # open inside the `with` block

    def __init__(self, path: str | os.PathLike[str], origin: Mapping[str, object]) -> None:
        self.path = Path(path)
        self._header = {"version": VERSION, **origin}
        self.scanned, self.places, self.complete, self._end = False, set(), False, 0
        lines = _whole_lines(self.path)
        end, header = next(lines, (0, None))
        if header != self._header:
            return
        self._end = end
        for self._end, line in lines:
            self.scanned |= "counts" in line
            self.complete |= "complete" in line
            if "place" in line:
                self.places.add(line["place"])

    def __enter__(self) -> Self:
        self._file = open(self.path, "ab", buffering=0, opener=regular)
        self._file.truncate(self._end)
        if not self._end:
            self._write(self._header)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def tell_scan(self, counts: Mapping[Reason, int], skips: Sequence[Skip]) -> None:
        """Write the result of scanning the table of contents: {Reason: count}, and the `Skip`s listed by name."""
        self._write({"counts": counts, "skips": skips})
        self.scanned = True

    def tell(self, outcome: Outcome) -> None:
        """Write the `Outcome` of a member."""
        self._write(asdict(outcome))
        self.places.add(outcome.place)

    def tell_complete(self) -> None:
        """Write that nothing is left to do, after all earlier lines are synced to disk."""
        os.fsync(self._file.fileno())
        self._write({"complete": True})
        self.complete = True

    def _write(self, line: Mapping[str, object]) -> None:
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()[:-1]  # without the brace
        data = memoryview(b'%b,"crc32":%d}\n' % (text, zlib.crc32(text)))
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error  # a full disk is reported without a name


def is_complete(path: str | os.PathLike[str]) -> bool:
    """Return whether a journal is whole to its last line; a journal of another version does not count."""
    return any("complete" in line for line in _body(path))


def read_scan(path: str | os.PathLike[str]) -> tuple[dict[Reason, int], list[Skip]]:
    """Return ({Reason: count}, list of `Skip`) of an archive's table of contents."""
    for line in _body(path):
        if "counts" in line:
            return {Reason(name): count for name, count in line["counts"].items()}, _skips(line)
    return {}, []


def read_outcomes(path: str | os.PathLike[str]) -> Iterator[Outcome]:
    """Yield the `Outcome` of every member recorded in a journal."""
    for line in _body(path):
        if "place" in line:
            yield Outcome(line["member"], line["place"], line["record"], _skips(line))


def _skips(line: dict[str, Any]) -> list[Skip]:
    return [Skip(Reason(reason), member, detail) for reason, member, detail in line["skips"]]


def _body(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Yield the whole lines after the header."""
    return (line for _, line in islice(_whole_lines(path), 1, None))


def _whole_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (offset after the line, its JSON object) up to the first damaged line; nothing of another version.

    A line that no build writes counts as damaged, whatever its checksum: the journal may come from elsewhere.
    """
    end = 0
    try:
        file = open(path, "rb", opener=regular)
    except FileNotFoundError:
        return
    with file:
        while data := file.readline(LONGEST):
            found = CHECKED.fullmatch(data)
            if not found or zlib.crc32(found[1]) != int(found[2]) or sum(map(data.count, (b"{", b"[", b","))) > MOST_VALUES:
                return
            try:
                line = json.loads(found[1] + b"}")
                if not _is_ours(line) if end else line["version"] != VERSION:
                    return
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                return
            end += len(data)
            yield end, line


def _is_ours(line: dict[str, Any]) -> bool:
    """Return whether a line is of a build, whose names become paths and lines of lists; it may raise for one that is not."""
    if line.keys() == {"complete"}:
        return line["complete"] is True
    if not all(isinstance(text, str) for skip in _skips(line) for text in skip):
        return False
    if line.keys() == {"counts", "skips"}:
        return all(type(count) is int and 0 <= count < 2**63 and Reason(name) for name, count in line["counts"].items())
    return (
        line.keys() == {"member", "place", "record", "skips"}
        and type(line["place"]) is int
        and type(line["member"]) is str
        and (line["record"] is None or _is_record(line["record"]))
    )


def _is_record(record: dict[str, Any]) -> bool:
    """Return whether patent and drawings have names as `convert_patent` gives; `write_metadata` checks the other values."""
    patent, drawings = record["patent"], record["drawings"]
    named = [DRAWING.fullmatch(drawing["name"]) for drawing in drawings]
    digests = all(type(drawing["digest"]) is str for drawing in drawings)
    listed = type(drawings) is list and bool(drawings)
    return listed and bool(PATENT.fullmatch(patent)) and digests and all(name and name[1] == patent for name in named)
