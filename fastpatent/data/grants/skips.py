"""What is left out of a data set that is built, and why."""

from enum import StrEnum
from typing import NamedTuple

LONGEST = 300  # characters of a name or sentence that are shown


class Reason(StrEnum):
    """Why something of an archive is not in the data set."""

    NO_DESIGN = "no design patent"
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
    """One thing left out: why, its name in the archive ("" for the archive itself), and what is wrong with it."""

    reason: Reason
    member: str
    detail: str


class Refused(Exception):
    """A member of an archive is of no use: a `Reason`, and a few words about this case."""

    def __init__(self, reason, detail):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail

    def skip(self, member):
        """Return the `Skip` of the member of that name."""
        return Skip(self.reason, _printable(member), _printable(self.detail))


def _printable(text):
    """Return text from an archive as a person can be shown it: in one line, not endless, without control characters."""
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return text if text.isprintable() else ascii(text)[1:-1]
