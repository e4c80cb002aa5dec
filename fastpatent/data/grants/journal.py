"""What was done to one weekly archive, written down as it is done: a stopped run goes on behind the last whole line.

JSON Lines: which archive, what its table of contents showed, a line for every patent as soon as its drawings are on the
disk, and a last one when all are.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

from fastpatent.data.grants.patent import Outcome
from fastpatent.data.grants.skips import Reason, Skip

VERSION = 1
FIRST, LAST = b'{"version":%d,' % VERSION, b'\n{"complete":true}\n'


class Journal:
    """The journal of one archive, to go on with. One of another `origin` is begun anew.

    Args:
        path: of the journal; its folder is there.
        origin: dict, by which an archive is known again, of everything that the outcome depends on.

    Attributes:
        scanned: the table of contents is told.
        places: of the members that are told.
        complete: nothing is left to do.
    """

    def __init__(self, path, origin):
        self.path, self._file = Path(path), None
        self._header = {"version": VERSION, **origin}
        self.scanned, self.places, self.complete, self._end = False, set(), False, 0
        for end, line in _whole_lines(self.path):
            if not self._end and line != self._header:
                break
            self.scanned |= "counts" in line
            self.complete |= "complete" in line
            if "place" in line:
                self.places.add(line["place"])
            self._end = end

    def __enter__(self):
        self._file = open(self.path, "ab", buffering=0)
        self._file.truncate(self._end)
        if not self._end:
            self._write(self._header)
        return self

    def __exit__(self, *_):
        self._file.close()

    def tell_scan(self, counts, skips):
        """Write what the table of contents showed: {Reason: how many}, and the `Skip`s that are named."""
        self._write({"counts": counts, "skips": skips})
        self.scanned = True

    def tell(self, outcome):
        """Write the `Outcome` of a member."""
        self._write(asdict(outcome))
        self.places.add(outcome.place)

    def tell_complete(self):
        """Write that nothing is left to do, once all that was told is safely on the disk."""
        os.fsync(self._file.fileno())
        self._write({"complete": True})
        self.complete = True

    def _write(self, line):
        data = memoryview(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error  # a full disk does not say which file


def is_complete(path):
    """Return whether a journal has its last line; one of another version is begun."""
    with open(path, "rb") as file:
        first = file.readline()
        file.seek(max(file.seek(0, os.SEEK_END) - len(LAST), 0))
        return first.startswith(FIRST) and file.read() == LAST


def read_scan(path):
    """Return ({Reason: count}, list of `Skip`) of an archive's table of contents."""
    for _, line in _whole_lines(path):
        if "counts" in line:
            return {Reason(name): count for name, count in line["counts"].items()}, _skips(line)
    return {}, []


def read_outcomes(path):
    """Yield the `Outcome` of every member that a journal tells."""
    for _, line in _whole_lines(path):
        if "place" in line:
            yield Outcome(line["member"], line["place"], line["record"], _skips(line))


def _skips(line):
    return [Skip(Reason(reason), member, detail) for reason, member, detail in line["skips"]]


def _whole_lines(path):
    """Yield (offset behind the line, what it says) up to the first line that is cut short or no JSON object."""
    end = 0
    try:
        file = open(path, "rb")
    except FileNotFoundError:
        return
    with file:
        for data in file:
            end += len(data)
            try:
                line = json.loads(data)
            except ValueError:
                return
            if not data.endswith(b"\n") or not isinstance(line, dict):
                return
            yield end, line
