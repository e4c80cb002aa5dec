"""What is skipped when a data set is built, and why."""

from enum import StrEnum
from typing import NamedTuple

from fastpatent.text import short_line


class Reason(StrEnum):
    """Why a part of an archive is not in the data set."""

    NO_DESIGN = "no design patent"
    NAME = "design of another name"
    ARCHIVE = "archive damaged"
    UNSAFE = "name leads out of the archive"
    NO_FILE = "link or device"
    ENCRYPTED = "encrypted"
    LARGE = "too large"
    DAMAGED = "damaged or cut short"
    NO_DRAWING = "no drawing"
    TWICE = "found twice"
    XML = "metadata refused"
    TIF = "drawing refused"
    MISSING = "drawing missing"
    EMPTY = "patent without a drawing"
    SAME = "drawing equal to another"


class Skip(NamedTuple):
    """One skipped item: the reason, its name in the archive ("" for the archive itself), and the fault in words."""

    reason: Reason
    member: str
    detail: str


class Refused(Exception):
    """A member of an archive cannot be used: a `Reason`, and a short description of this case."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail

    def skip(self, member: str) -> Skip:
        """Return the `Skip` of the member with this name."""
        return Skip(self.reason, short_line(member), short_line(self.detail))
