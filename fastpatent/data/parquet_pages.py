"""Sizes of the pages of a Parquet file, before Arrow unpacks one: of few bytes a page may become 2 GiB.

The footer, an Apache Thrift structure in compact protocol, gives the place of each column; before each page stands another.
What the footer says of sizes may be wrong. pyarrow reads no headers of pages, and ends the process at some damaged footers.
"""

from collections.abc import Iterator
from io import BufferedReader
from typing import Any, NamedTuple

MOST_FOOTER = 2**24  # bytes; 355 groups of rows with 14 columns take 1 MB
MOST_HEADER = 2**16  # bytes of the header of a page; it has statistics, such as the least text
INTEGERS = I16, I32, I64 = 4, 5, 6  # kinds of values
LIST, SET, STRUCT = 9, 10, 12
BOOLEANS = 1, 2  # of a field, the value is its kind
SKIPPED = {1: 1, 2: 1, 3: 1, 7: 8, 8: 0}  # bytes of a boolean in a list, a byte, a double, and a text, which has its length


class Page(NamedTuple):
    """A page of a column: bytes as stored and unpacked, number of its values (of a dictionary 0) and their encoding."""

    stored: int
    unpacked: int
    values: int
    encoding: int


def pages(file: BufferedReader, columns: list[int]) -> Iterator[Page]:
    """Yield the pages of some columns.

    Args:
        file: the Parquet file.
        columns: places of the columns among the leaves of the schema.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        for group in _footer(file)[4, LIST]:
            for column in columns:
                yield from _column(file, group[1, LIST][column][3, STRUCT])
    except (IndexError, KeyError, TypeError, OverflowError) as error:
        raise ValueError("its footer or the header of a page is damaged") from error


def _footer(file: BufferedReader) -> dict[tuple[int, int], Any]:
    end = file.seek(-8, 2)
    tail = file.read(8)
    size = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or size > min(end, MOST_FOOTER):
        raise ValueError("its footer is damaged, encrypted, or too large")
    file.seek(end - size)
    return _Reader(file.read(size)).struct()


def _column(file: BufferedReader, about: dict[tuple[int, int], Any]) -> Iterator[Page]:
    start, dictionary = about[9, I64], about.get((11, I64), 0)
    place = dictionary if 0 < dictionary < start else start
    end = place + about[7, I64]
    while place < end:
        file.seek(place)
        reader = _Reader(file.read(MOST_HEADER))
        header = reader.struct()
        stored, unpacked = header[3, I32], header[2, I32]
        if min(stored, unpacked) < 0:
            raise ValueError("a page has a negative size")
        if (5, STRUCT) in header:
            yield Page(stored, unpacked, header[5, STRUCT][1, I32], header[5, STRUCT][2, I32])
        elif (8, STRUCT) in header:
            yield Page(stored, unpacked, header[8, STRUCT][1, I32], header[8, STRUCT][4, I32])
        else:
            yield Page(stored, unpacked, 0, 0)
        place += reader.place + stored


class _Reader:
    """Read structures of the compact protocol as {(number of the field, kind): value}: Arrow skips fields of other kinds."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def struct(self, depth: int = 0) -> dict[tuple[int, int], Any]:
        if depth > 16:
            raise ValueError("its footer or the header of a page is too deep")
        found: dict[tuple[int, int], Any] = {}
        number = 0
        while byte := self._byte():
            kind = byte & 15
            number = number + (byte >> 4) if byte >> 4 else self._integer()
            found[number, kind] = None if kind in BOOLEANS else self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in INTEGERS:
            return self._integer()
        if kind in SKIPPED:
            size = SKIPPED[kind] or self._unsigned()
            self.place += size
            if self.place > len(self.data):
                raise IndexError
            return None
        if kind in (LIST, SET):
            byte = self._byte()
            count = byte >> 4 if byte >> 4 < 15 else self._unsigned()
            return [self._value(byte & 15, depth + 1) for _ in range(count)]
        if kind == STRUCT:
            return self.struct(depth + 1)
        raise ValueError("its footer or the header of a page is damaged")

    def _byte(self) -> int:
        self.place += 1
        return self.data[self.place - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("its footer or the header of a page is damaged")

    def _integer(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)
