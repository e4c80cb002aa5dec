"""One line of an archive's table of contents."""

from typing import NamedTuple

from fastpatent.data.grants.skips import Refused


class Entry(NamedTuple):
    """A file in an archive.

    Attributes:
        name: as the archive tells it; "" for a fault of the archive itself.
        place: where its bytes start in a tar, its number in the table of contents of a zip.
        size: of what it unpacks to, in bytes.
        fault: why it cannot be read, or None.
    """

    name: str
    place: int = 0
    size: int = 0
    fault: Refused | None = None
