"""Read tables of text row by row: CSV files, separated by commas or tabs, and Parquet files; write CSV files."""

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import BufferedReader
from typing import TYPE_CHECKING, Any, Self, TypeVar

from fastpatent.data.parquet_pages import pages
from fastpatent.errors import DataError, nearest
from fastpatent.files import open_regular, read_regular
from fastpatent.text import escaped

if TYPE_CHECKING:
    import pyarrow

Result = TypeVar("Result")

MALFORMED = "malformed row"  # kind of fault in `Splits.skipped`
LONGEST_LINE = 2**20  # letters of a CSV file; a field may have 131,072, the limit of Python's reader
MOST_LINES = 5_000_000  # of a table, or values of a column of Parquet; IMPACT has half a million patents
MOST_MALFORMED = 100_000  # rows: each has a message, which holds the path of the table
MOST_BYTES = 2**26  # of a CSV file of `write_csv` that is read again; a row of a quarantine has some 200
BATCH = 1000  # rows of a Parquet file that are read together
LONGEST_TEXT = 2**16  # bytes of a text in a dictionary of Parquet, maybe of every row, and of texts on average
MOST_TEXT = BATCH * LONGEST_TEXT  # bytes of one column in a batch
MOST_PAGE = 2**27  # bytes of an unpacked page of Parquet; most programs write 1 MB, DuckDB up to 100 MB
# Columns of Parquet that are compressed more are no lists of texts, which shrink to a tenth. Fewer bytes than PLAIN may be.
MOST_EXPANDED, PLAIN = 200, 2**26
SHARED_PARTS = 7  # the encoding DELTA_BYTE_ARRAY: of few bytes come many long texts
# A spreadsheet computes a cell that begins so, some also in full width, some take a semicolon for the end of a cell. One
# apostrophe more is written before it and removed at reading, so that every cell is read back as it was.
FORMULA = r"""(?=[\s'"]*[=+\-@＝＋－＠])"""
CELL = "(?:^|(?<=;))"


def read_rows(path: str | os.PathLike[str], columns: Sequence[str], malformed: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield (position, values) of every row of a table; few rows are in memory at a time.

    Args:
        path: a Parquet file (`.parquet`), or a CSV file, UTF-8, whose first row names the columns. The separator is the tab
            where that row contains one, else the comma.
        columns: names of the columns to read.
        malformed: a message is added for every malformed row.

    Yields:
        (`<path>:<line>`, texts of `columns`). In a Parquet file a number is its text, a list its first element, and nothing
        the empty text.

    Raises:
        DataError: the file cannot be read, is not UTF-8 text, lacks a column, or is larger than a table of texts can be;
            `malformed` has more than MOST_MALFORMED messages; a column of a Parquet file holds no texts or numbers.
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
    with io.StringIO(read_regular(path, MOST_BYTES).decode("utf-8"), newline="") as file:
        for row in csv.DictReader(file):
            yield {name: re.sub(f"{CELL}'{FORMULA}", "", cell) for name, cell in row.items()}


def _cell(value: object) -> object:
    return re.sub(CELL + FORMULA, "'", escaped(value)) if isinstance(value, str) else value


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of a table's columns; raises as `read_rows`."""
    if _is_parquet(path):
        import pyarrow.parquet

        with _parquet_errors(path), open_regular(path) as opened:
            return pyarrow.parquet.read_schema(opened).names
    with _Rows(path) as rows:
        return rows.header


def _csv_rows(path: str | os.PathLike[str], places: Sequence[int], malformed: list[str]) -> Iterator[tuple[str, list[str]]]:
    with _Rows(path) as rows:
        for line, row in rows:
            if len(malformed) > MOST_MALFORMED:
                raise DataError(
                    f"{path}:{line}: more than {MOST_MALFORMED:,} rows are malformed; the first is {malformed[0]}"
                )
            if isinstance(row, csv.Error):
                malformed.append(f"{path}:{line}: {row}; is a quote not closed?")
            elif len(row) != len(rows.header):
                malformed.append(f"{path}:{line}: {len(row)} fields where the first row has {len(rows.header)}")
            else:
                yield f"{path}:{line}", [row[place] for place in places]


def _parquet_rows(path: str | os.PathLike[str], columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    import pyarrow.parquet

    number, distinct = 0, list(dict.fromkeys(columns))
    with _parquet_errors(path), open_regular(path) as opened:
        metadata = pyarrow.parquet.read_metadata(opened)
        schema = metadata.schema.to_arrow_schema()
        for column in distinct:
            _check_type(schema.field(column))
        leaves = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
        for column in distinct:
            _check_sizes(opened, [place for place, leaf in enumerate(leaves) if f"{leaf}.".startswith(f"{column}.")])
        # As a dictionary, a text that is stored once takes memory once, but all that differ in a group of rows stay there.
        # So texts are read as they are where those of the dictionary are short; a list may repeat one a million times.
        with pyarrow.parquet.ParquetFile(opened, metadata=metadata, read_dictionary=leaves) as file:
            for group in range(metadata.num_row_groups):
                for batch in file.iter_batches(1, [group], distinct):
                    _check_dictionaries(batch)
                    break
        lists = [leaf for leaf in leaves if leaf not in distinct]
        with pyarrow.parquet.ParquetFile(opened, metadata=metadata, read_dictionary=lists) as file:
            for group in range(metadata.num_row_groups):  # each has its own dictionary, and Arrow joins none within lists
                for batch in file.iter_batches(BATCH, [group], distinct):
                    for number, row in enumerate(zip(*(_texts(batch.column(column)) for column in columns)), number + 1):
                        yield f"{path}, row {number}", list(row)


def _check_type(field: "pyarrow.Field") -> None:
    from pyarrow import types

    kind = field.type
    if types.is_list(kind) or types.is_large_list(kind):
        kind = kind.value_type
    if types.is_dictionary(kind):
        kind = kind.value_type
    known = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_null)
    if not any(is_kind(kind) for is_kind in known):
        raise ValueError(f"the column {field.name} holds neither texts nor numbers")


def _check_sizes(file: BufferedReader, places: list[int]) -> None:
    values = stored = unpacked = 0
    for page in pages(file, places):
        values, stored, unpacked = values + page.values, stored + page.stored, unpacked + page.unpacked
        if page.unpacked > MOST_PAGE or page.values and page.unpacked > page.values * LONGEST_TEXT:
            raise ValueError(f"a page has {page.unpacked:,} bytes, more than texts of {page.values:,} rows can have")
        if page.encoding == SHARED_PARTS:
            raise ValueError("the encoding DELTA_BYTE_ARRAY is not read")
    if values > MOST_LINES:
        raise ValueError(f"a column has more than {MOST_LINES:,} values")
    if unpacked > max(PLAIN, MOST_EXPANDED * stored):
        raise ValueError(f"a column expands to more than {MOST_EXPANDED} times its size")


def _check_dictionaries(batch: "pyarrow.RecordBatch") -> None:
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its functions are made when it is imported
    for column in batch.columns:
        if isinstance(column, pyarrow.DictionaryArray):
            longest = compute.max(compute.binary_length(column.dictionary)).as_py() or 0
            if longest > LONGEST_TEXT:
                raise ValueError(f"a text has {longest:,} bytes, at most {LONGEST_TEXT:,} are read")


def _texts(column: "pyarrow.Array") -> list[str]:
    """Return the texts of BATCH values; ValueError where they are too long or not UTF-8."""
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its functions are made when it is imported
    if pyarrow.types.is_list(column.type) or pyarrow.types.is_large_list(column.type):
        column = compute.list_slice(column, 0, 1, return_fixed_size_list=True).values
    if isinstance(column, pyarrow.DictionaryArray):
        lengths = compute.take(compute.binary_length(column.dictionary), column.indices)
        if (compute.sum(lengths).as_py() or 0) > MOST_TEXT:
            raise ValueError(f"{BATCH:,} rows have more than {MOST_TEXT:,} bytes of text")
        column = column.dictionary_decode()
    return ["" if value is None else str(value) for value in column.to_pylist()]


@contextmanager
def _parquet_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    import pyarrow  # slow to import, and not needed for CSV files

    try:
        yield
    except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
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
