"""Tables of text, a row at a time: CSV files, separated by commas or tabs, and Parquet files."""

import csv
import os
from contextlib import contextmanager

from fastpatent.errors import DataError, nearest

MALFORMED = "malformed row"  # what these are called among all that is left out of a data set


def read_rows(path, columns, malformed):
    """Yield (where, values) of every row of a table; few rows are in memory at a time.

    Args:
        path: a Parquet file (`.parquet`), or a CSV file, UTF-8, whose first row names the columns; where a tab is in that
            row, tabs separate them, else commas.
        columns: names of those that are wanted; others are not looked at.
        malformed: list, to which a sentence is added for every row that is no row of this table.

    Yields:
        (`<path>:<line>`, list of the values of `columns`): str from a CSV file, what it holds from a Parquet file.

    Raises:
        DataError: the file cannot be read, is no UTF-8 text, or lacks a column.
    """
    names = column_names(path)
    for column in columns:
        if column not in names:
            raise DataError(f"{path}: no column is called {column}{nearest(column, names)}")
    if _is_parquet(path):
        yield from _parquet_rows(path, columns)
    else:
        yield from _csv_rows(path, [names.index(column) for column in columns], malformed)


def column_names(path):
    """Return the names of a table's columns; DataError as `read_rows`."""
    if _is_parquet(path):
        with _open_parquet(path) as file:
            return file.schema_arrow.names
    with _Rows(path) as rows:
        return rows.header


def _csv_rows(path, places, malformed):
    with _Rows(path) as rows:
        for line, row in rows:
            if isinstance(row, csv.Error):
                malformed.append(f"{path}:{line}: {row}; is a quote not closed?")
            elif len(row) != len(rows.header):
                malformed.append(f"{path}:{line}: {len(row)} fields where the first row has {len(rows.header)}")
            else:
                yield f"{path}:{line}", [row[place] for place in places]


def _parquet_rows(path, columns):
    number = 0
    with _open_parquet(path) as file:
        for batch in file.iter_batches(batch_size=1000, columns=list(dict.fromkeys(columns))):
            for number, row in enumerate(batch.to_pylist(), number + 1):
                yield f"{path}, row {number}", [row[column] for column in columns]


@contextmanager
def _open_parquet(path):
    import pyarrow.parquet  # takes a while that no other table costs

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from error


class _Rows:
    """Iterates over (first line, list of fields, or the csv.Error of a row) behind the header; blank lines are left out."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        try:
            self._file = open(self.path, encoding="utf-8-sig", newline="")
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            first = self._checked(self._file.readline)
            if not first.strip():
                raise DataError(f"{self.path}: the first row is empty; it has to name the columns")
            self._delimiter = "\t" if "\t" in first else ","
            self.header = [name.strip() for name in next(csv.reader([first], delimiter=self._delimiter))]
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_):
        self._file.close()

    def __iter__(self):
        reader = csv.reader(self._file, delimiter=self._delimiter)
        while True:
            line = reader.line_num + 2  # of the row that comes next; the header is line 1
            try:
                row = self._checked(reader.__next__)
            except StopIteration:
                return
            except csv.Error as error:
                row = error  # the reader goes on at the next line
            if row:
                yield line, row

    def _checked(self, read):
        try:
            return read()
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}:{_undecodable_line(self.path)}: no UTF-8 text; save the table as UTF-8") from error
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error):
        return DataError(f"{self.path}: the table cannot be read: {error.strerror or error}")


def _undecodable_line(path):
    """Return the number of the first line that is no UTF-8; the decoder itself only knows its own buffer."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return number


def _is_parquet(path):
    return os.path.splitext(path)[1].lower() == ".parquet"
