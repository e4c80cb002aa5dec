"""One entry of an archive's table of contents."""

from typing import NamedTuple

from fastpatent.data.grants.skips import Refused


class Entry(NamedTuple):
    """A file in an archive.

    Attributes:
        name: as stored in the archive; "" for a fault of the archive itself.
        place: in a tar the offset of its bytes, in a zip its index in the table of contents.
        size: unpacked, in bytes.
        fault: why it cannot be read, or None.
    """

    name: str
    place: int = 0
    size: int = 0
    fault: Refused | None = None
