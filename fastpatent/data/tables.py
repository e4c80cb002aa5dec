"""Read tables of text row by row: CSV files, separated by commas or tabs, and Parquet files; write CSV files."""

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from fastpatent.errors import DataError, nearest
from fastpatent.files import open_regular
from fastpatent.text import escaped

if TYPE_CHECKING:
    import pyarrow.parquet

Result = TypeVar("Result")

MALFORMED = "malformed row"  # kind of fault in `Splits.skipped`
LONGEST_LINE = 2**20  # letters of a CSV file; a field may have 131,072, the limit of Python's reader
MOST_LINES = 5_000_000  # of a CSV file: each may be malformed and have a message; IMPACT has half a million patents
# A spreadsheet computes a cell that begins so, some also in full width, some take a semicolon for the end of a cell. One
# apostrophe more is written before it and removed at reading, so that every cell is read back as it was.
FORMULA = r"""(?=[\s'"]*[=+\-@＝＋－＠])"""
CELL = "(?:^|(?<=;))"


def read_rows(path: str | os.PathLike[str], columns: Sequence[str], malformed: list[str]) -> Iterator[tuple[str, list[Any]]]:
    """Yield (position, values) of every row of a table; few rows are in memory at a time.

    Args:
        path: a Parquet file (`.parquet`), or a CSV file, UTF-8, whose first row names the columns. The separator is the tab
            where that row contains one, else the comma.
        columns: names of the columns to read.
        malformed: a message is added for every malformed row.

    Yields:
        (`<path>:<line>`, values of `columns`): str from a CSV file, values as stored from a Parquet file.

    Raises:
        DataError: the file cannot be read, is not UTF-8 text, or lacks a column.
    """
    names = column_names(path)
    for column in columns:
        if column not in names:
            raise DataError(f"{path}: no column is called {column}{nearest(column, names)}")
    if _is_parquet(path):
        yield from _parquet_rows(path, columns)
    else:
        yield from _csv_rows(path, [names.index(column) for column in columns], malformed)


def write_csv(path: str | os.PathLike[str], rows: Iterable[Iterable[object]]) -> None:
    """Write rows as a CSV file, UTF-8; texts are `escaped`, and get an apostrophe where a spreadsheet would compute them."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(map(_cell, row) for row in rows)


def read_csv(path: str | os.PathLike[str]) -> Iterator[dict[str, str]]:
    """Yield {column: text} of the rows of a file of `write_csv`, without its apostrophes; any other file raises anything."""
    with io.TextIOWrapper(open_regular(path), "utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {name: re.sub(f"{CELL}'{FORMULA}", "", cell) for name, cell in row.items()}


def _cell(value: object) -> object:
    return re.sub(CELL + FORMULA, "'", escaped(value)) if isinstance(value, str) else value


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of a table's columns; raises as `read_rows`."""
    if _is_parquet(path):
        with _open_parquet(path) as file:
            return file.schema_arrow.names
    with _Rows(path) as rows:
        return rows.header


def _csv_rows(path: str | os.PathLike[str], places: Sequence[int], malformed: list[str]) -> Iterator[tuple[str, list[str]]]:
    with _Rows(path) as rows:
        for line, row in rows:
            if isinstance(row, csv.Error):
                malformed.append(f"{path}:{line}: {row}; is a quote not closed?")
            elif len(row) != len(rows.header):
                malformed.append(f"{path}:{line}: {len(row)} fields where the first row has {len(rows.header)}")
            else:
                yield f"{path}:{line}", [row[place] for place in places]


def _parquet_rows(path: str | os.PathLike[str], columns: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    number = 0
    with _open_parquet(path) as file:
        for batch in file.iter_batches(batch_size=1000, columns=list(dict.fromkeys(columns))):
            for number, row in enumerate(batch.to_pylist(), number + 1):
                yield f"{path}, row {number}", [row[column] for column in columns]


@contextmanager
def _open_parquet(path: str | os.PathLike[str]) -> Iterator["pyarrow.parquet.ParquetFile"]:
    import pyarrow.parquet  # slow to import, and not needed for CSV files

    try:
        with open_regular(path) as opened, pyarrow.parquet.ParquetFile(opened) as file:
            yield file
    except (OSError, pyarrow.ArrowException) as error:
        first = str(error).partition("\n")[0]
        raise DataError(f"{path}: cannot be read as Parquet: {first}") from error


class _Rows:
    """Iterate over (first line, fields or csv.Error) of the rows after the header; blank lines are skipped."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def __enter__(self) -> Self:
        try:
            self._file = io.TextIOWrapper(open_regular(self.path), "utf-8-sig", newline="")
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            first = self._checked(lambda: next(self._lines(1), ""))
            if not first.strip():
                raise DataError(f"{self.path}: the first row is empty; it has to name the columns")
            self._delimiter = "\t" if "\t" in first else ","
            self.header = [name.strip() for name in next(csv.reader([first], delimiter=self._delimiter))]
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[tuple[int, list[str] | csv.Error]]:
        reader = csv.reader(self._lines(2), delimiter=self._delimiter)
        while True:
            line = reader.line_num + 2  # of the next row; the header is line 1
            try:
                row: list[str] | csv.Error = self._checked(reader.__next__)
            except StopIteration:
                return
            except csv.Error as error:
                row = error  # the reader continues at the next line
            if row:
                yield line, row

    def _lines(self, number: int) -> Iterator[str]:
        """Yield the lines of the file from line `number` on, where it stands; DataError where there is no end of one."""
        while line := self._file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise DataError(f"{self.path}:{number}: the line has more than {LONGEST_LINE:,} letters")
            if number > MOST_LINES:
                raise DataError(f"{self.path}: the table has more than {MOST_LINES:,} lines")
            yield line
            number += 1

    def _checked(self, read: Callable[[], Result]) -> Result:
        try:
            return read()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path}:{_undecodable_line(self.path)}: not UTF-8 text; save the table as UTF-8"
            ) from error
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> DataError:
        return DataError(f"{self.path}: the table cannot be read: {error.strerror or error}")


def _undecodable_line(path: str | os.PathLike[str]) -> int:
    """Return the number of the first line that is not UTF-8; the decoder's error only gives the place in its buffer."""
    number = 0
    with open_regular(path) as file:
        for number, line in enumerate(iter(partial(file.readline, 4 * LONGEST_LINE), b""), 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return number


def _is_parquet(path: str | os.PathLike[str]) -> bool:
    return os.path.splitext(path)[1].lower() == ".parquet"
