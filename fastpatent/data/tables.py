"""Read tables of text row by row: CSV files, separated by commas or tabs, and Parquet files; write CSV files."""

import csv
import io
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TextIO, TypeVar

from fastpatent.errors import DataError, nearest
from fastpatent.files import open_regular, read_regular
from fastpatent.text import escaped

if TYPE_CHECKING:
    import pyarrow

Result = TypeVar("Result")

MALFORMED = "malformed row"  # kind of fault in `Splits.skipped`
LONGEST_LINE = 2**20  # letters of a CSV file; a field may have 131,072, the limit of Python's reader
MOST_LINES = 5_000_000  # of a table; IMPACT has half a million patents
MOST_MALFORMED = 100_000  # rows: each has a message, which holds the path of the table
MOST_BYTES = 2**26  # of a CSV file of `write_csv` that is read again; a row of a quarantine has some 200
BATCH = 1000  # rows of a Parquet file that are read together
LONGEST_TEXT = 2**17  # letters of a text of Parquet, as of a field of CSV
MOST_TEXT = 2**30  # letters and elements of lists of all columns that are read; IMPACT's have 3e8
MOST_MEMORY = 2**31  # bytes that Arrow may take: a few kB of Parquet may claim, or hold, any number
# A spreadsheet computes a cell that begins so, some also in full width, some take a semicolon for the end of a cell. One
# apostrophe more is written before it and removed at reading, so that every cell is read back as it was.
FORMULA = r"""(?=[\s'"]*[=+\-@＝＋－＠])"""
CELL = "(?:^|(?<=;))"
_limit_lock = threading.Lock()  # two threads would restore the limits of each other


def read_rows(
    path: str | os.PathLike[str], columns: Sequence[str], malformed: list[str], separator: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Yield (position, values) of every row of a table; few rows are in memory at a time.

    Args:
        path: a Parquet file (`.parquet`), or a CSV file, UTF-8, whose first row names the columns. The separator is the tab
            where that row contains one, else the comma.
        columns: names of the columns to read.
        malformed: a message is added for every malformed row.
        separator: joins the elements of a list in a Parquet file; "": the first one stands for the list.

    Yields:
        (`<path>:<line>`, texts of `columns`). In a Parquet file a number is its text, and nothing the empty text.

    Raises:
        DataError: the file cannot be read, is not UTF-8 text, lacks a column, or is larger than a table of texts can be;
            `malformed` has more than MOST_MALFORMED messages; a column of a Parquet file holds no texts or numbers.
    """
    names = column_names(path)
    for column in columns:
        if column not in names:
            raise DataError(f"{path}: no column is called {column}{nearest(column, names)}")
    if _is_parquet(path):
        yield from _parquet_rows(path, columns, separator)
    else:
        yield from _csv_rows(path, [names.index(column) for column in columns], malformed)


def write_csv(path: str | os.PathLike[str], rows: Iterable[Iterable[object]], delimiter: str = ",") -> None:
    """Write rows as a CSV file, UTF-8; texts are `escaped`, and get an apostrophe where a spreadsheet would compute them."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        print_csv(file, rows, delimiter)


def print_csv(file: TextIO, rows: Iterable[Iterable[object]], delimiter: str = ",") -> None:
    """Write rows to an open file, as `write_csv`."""
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(map(_cell, row) for row in rows)


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

        with parquet_errors(path, MOST_MEMORY), open_regular(path) as opened:
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


def _parquet_rows(path: str | os.PathLike[str], columns: Sequence[str], separator: str) -> Iterator[tuple[str, list[str]]]:
    number, batches = 0, _parquet_batches(path, columns, separator)
    while True:
        with parquet_errors(path, MOST_MEMORY):
            batch = next(batches, None)
        if batch is None:
            return
        for number, row in enumerate(zip(*batch), number + 1):
            yield f"{path}, row {number}", list(row)


def _parquet_batches(path: str | os.PathLike[str], columns: Sequence[str], separator: str) -> Iterator[list[list[str]]]:
    """Yield the texts of each of `columns` for BATCH rows at a time; ValueError where they are too many or too long."""
    import pyarrow.parquet

    rows = size = 0
    with open_regular(path) as opened, pyarrow.parquet.ParquetFile(opened) as file:
        for column in columns:
            _check_type(file.schema_arrow.field(column))
        for group in range(file.num_row_groups):  # Arrow joins no dictionaries within lists
            # One thread: an allocation that fails in another would end the process.
            for batch in file.iter_batches(BATCH, [group], list(dict.fromkeys(columns)), use_threads=False):
                rows += batch.num_rows
                if max(rows, file.metadata.num_rows) > MOST_LINES:
                    raise ValueError(f"the table has more than {MOST_LINES:,} rows")
                found = [_joined(batch.column(column), separator) for column in columns]
                size += sum(map(_size, found))
                if size > MOST_TEXT:
                    raise ValueError(f"its texts and lists have more than {MOST_TEXT:,} letters and elements")
                yield list(map(_texts, found))


def _joined(column: "pyarrow.Array", separator: str) -> "pyarrow.Array":
    """Return lists as texts, their elements joined, where there is a separator; any other column as it is."""
    import pyarrow.compute

    compute: Any = pyarrow.compute
    if not separator or not pyarrow.types.is_nested(column.type):
        return column
    return compute.binary_join(column.cast(pyarrow.list_(pyarrow.string())), separator)


def _check_type(field: "pyarrow.Field") -> None:
    from pyarrow import types

    kind = field.type
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
    if types.is_dictionary(kind):
        kind = kind.value_type
    known = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    if not _is_text(kind) and not any(is_kind(kind) for is_kind in known):
        raise ValueError(f"the column {field.name} holds neither texts nor numbers, but {kind}; save it as texts")


def _is_text(kind: "pyarrow.DataType") -> bool:
    return str(kind) in ("string", "large_string", "string_view")


def _size(column: "pyarrow.Array") -> int:
    """Return the letters of the texts that `_texts` makes, and the elements of lists; ValueError for a text too long."""
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its functions are made when it is imported
    elements = 0
    if (values := _first(column)) is not column:
        elements = compute.sum(compute.list_value_length(column)).as_py() or 0
    # A dictionary may repeat one text in every row, so the lengths are those of its texts.
    texts = values.dictionary if isinstance(values, pyarrow.DictionaryArray) else values
    if not _is_text(texts.type):
        return elements
    lengths = compute.utf8_length(texts.cast(pyarrow.large_string()))  # it takes no string_view
    if (longest := compute.max(lengths).as_py() or 0) > LONGEST_TEXT:
        raise ValueError(f"a text has {longest:,} letters, at most {LONGEST_TEXT:,} are read")
    if texts is not values:
        lengths = lengths.take(values.indices)
    return elements + (compute.sum(lengths).as_py() or 0)


def _first(column: "pyarrow.Array") -> "pyarrow.Array":
    """Return the first elements of lists, and any other column as it is."""
    import pyarrow.compute

    compute: Any = pyarrow.compute
    if not pyarrow.types.is_nested(column.type):
        return column
    return compute.list_slice(column, 0, 1, return_fixed_size_list=True).values


def _texts(column: "pyarrow.Array") -> list[str]:
    return ["" if value is None else str(value) for value in _first(column).to_pylist()]


@contextmanager
def parquet_errors(path: str | os.PathLike[str], most: int, form: str = "Parquet") -> Iterator[None]:
    """Raise DataError for what Arrow raises in the block, which reads a file of a `form` by one thread in `most` bytes."""
    import pyarrow.parquet  # slow to import, and not needed for CSV files

    try:
        with _bounded_memory(most):
            yield
    except MemoryError as error:
        raise DataError(f"{path}: cannot be read as {form}: it takes more than {most / 2**30:.3g} GiB") from error
    except (OSError, ValueError, KeyError, pyarrow.ArrowException) as error:
        first = str(error).partition("\n")[0]
        raise DataError(f"{path}: cannot be read as {form}: {first}") from error


@contextmanager
def _bounded_memory(extra: int) -> Iterator[None]:
    """Let all allocations fail that would take `extra` bytes more than the process has now; on Linux only."""
    if not os.path.exists("/proc/self/statm"):
        yield
        return
    import resource

    with _limit_lock:
        with open("/proc/self/statm") as file:
            bound = int(file.read().split()[0]) * resource.getpagesize() + extra
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if soft == resource.RLIM_INFINITY or soft > bound:
            resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


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
        except csv.Error as error:
            self._file.close()
            raise DataError(f"{self.path}:1: {error}") from error
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
