"""What is wrong with a challenge submission, and how far two of them agree."""

import io
import os
import zipfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastpatent.data.lists import read_lines
from fastpatent.errors import DataError
from fastpatent.evaluation.submission import ARRAY, COLUMNS
from fastpatent.files import read_regular
from fastpatent.text import short_line
from fastpatent.uspto.skips import Refused
from fastpatent.uspto.zips import METHODS, open_zip

MOST_ROWS = 400_000  # that are read, where no list says how many there are; DeepPatent has 355,000 drawings in all
ROW_BYTES = COLUMNS * np.dtype(np.int64).itemsize
HEADER = 2**16  # bytes beside the values: NumPy's header, or what a ZIP file has beside its member
EXAMPLES = 10  # rows with a fault of one kind that are shown


class Submission(NamedTuple):
    """What is found in a file.

    Attributes:
        ranking: [rows, 10] of numbers of any type; None where the values cannot be read, or have another shape.
        faults: what the challenge would refuse, one text each; the lines after the first are rows, counted from 0.
    """

    ranking: np.ndarray | None
    faults: list[str]


class Agreement(NamedTuple):
    """How far two submissions agree, means over queries.

    Attributes:
        overlap: share of the ten answers that are in both.
        tau: Kendall's rank correlation of the answers that are in both, -1..1; NaN where no query has two of them.
        compared: queries that have two such answers.
    """

    overlap: float
    tau: float
    compared: int


def count_lines(path: str | os.PathLike[str]) -> int:
    """Return how many drawings a list of the challenge names; DataError as `read_lines`, and where it names none."""
    if count := sum(1 for _ in read_lines(path)):
        return count
    raise DataError(f"{path}: the list is empty")


def read_submission(path: str | os.PathLike[str], queries: int | None = None, database: int | None = None) -> Submission:
    """Read result.npy or result.zip, which may be anything, and look for every fault; no more is read than a submission has.

    Args:
        path: of the file, whose kind is seen from its first bytes.
        queries: lines of the list of queries; None: any number of rows is right.
        database: lines of the list of the database; None: any number from 0 is right.

    Raises:
        DataError: the file cannot be read, or has more bytes than a submission.
    """
    most = ROW_BYTES * max(queries or 0, MOST_ROWS) + HEADER
    try:
        data = read_regular(path, most)
    except OSError as error:
        raise DataError(f"{path}: the submission cannot be read: {error.strerror}") from error
    faults: list[str] = []
    if data.startswith(b"PK"):
        data = _unpacked(data, most, faults)
    ranking = None if data is None else _array(data, faults)
    if ranking is not None:
        if not len(ranking):
            faults.append("has no rows")
        elif queries is not None and len(ranking) != queries:
            faults.append(f"{len(ranking):,} rows, but the list has {queries:,} queries")
        faults += _faults_of_rows(ranking, database)
    return Submission(ranking, faults)


def agreement(one: np.ndarray, other: np.ndarray) -> Agreement:
    """Compare two rankings [queries, 10] without repeats in a row, of the same queries.

    The correlation is tau of M. G. Kendall, A New Measure of Rank Correlation, Biometrika 30 (1938): of the pairs of
    answers that both have, the share that is in the same order less the share that is not.
    """
    same = one[:, :, None] == other[:, None, :]
    common, place = same.any(2), same.argmax(2)
    first, second = np.triu_indices(COLUMNS, 1)
    pairs = common[:, first] & common[:, second]
    number = pairs.sum(1)
    ordered = (np.sign(place[:, second] - place[:, first]) * pairs).sum(1)
    compared = number > 0
    tau = float(np.mean(ordered[compared] / number[compared])) if compared.any() else float("nan")
    return Agreement(float(common.mean()), tau, int(compared.sum()))


def _unpacked(data: bytes, most: int, faults: list[str]) -> bytes | None:
    """Return the array's bytes of a ZIP file."""
    try:
        with open_zip(io.BytesIO(data), HEADER) as archive:
            names = archive.namelist()
            if names != [ARRAY]:
                shown = ", ".join(map(short_line, names[:EXAMPLES])) or "nothing"
                faults.append(f"the archive holds {shown}{', ...' * (len(names) > EXAMPLES)}; it must hold {ARRAY} alone")
            if ARRAY not in names:
                return None
            if archive.getinfo(ARRAY).compress_type not in METHODS:  # of others, Python unpacks a block at once, of any size
                raise zipfile.BadZipFile(f"{ARRAY} is neither stored nor deflated")
            with archive.open(ARRAY) as member:
                unpacked = member.read(most + 1)
    except Exception as error:  # of damaged bytes, zipfile and zlib raise many kinds
        reason = error.detail if isinstance(error, Refused) else error
        faults.append(f"the archive cannot be read: {short_line(str(reason))}")
        return None
    if len(unpacked) > most:
        faults.append(f"{ARRAY} in the archive has more than {most:,} bytes")
        return None
    return unpacked


def _array(data: bytes, faults: list[str]) -> np.ndarray | None:
    """Return the array of the bytes of an .npy file, where it is of numbers in ten columns."""
    file = io.BytesIO(data)
    try:
        np.lib.format.read_magic(file)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception:  # NumPy evaluates the header's text, so damaged ones raise many kinds
        faults.append("is no array of NumPy (.npy)")
        return None
    if dtype != np.int64:
        faults.append(f"dtype {short_line(str(dtype))}, must be int64")
    if len(shape) != 2 or shape[1] != COLUMNS:
        faults.append(f"shape {short_line(str(list(shape)))}, must be [queries, {COLUMNS}]")
        return None
    if dtype.kind not in "iuf":
        return None
    size = len(data) - file.tell()
    if size != shape[0] * COLUMNS * dtype.itemsize:
        faults.append(f"{size:,} bytes of values, which are not the {shape[0]:,} rows that its header claims")
        return None
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if fortran else "C")


def _faults_of_rows(ranking: np.ndarray, database: int | None) -> list[str]:
    last = np.inf if database is None else database - 1
    outside = ~((ranking >= 0) & (ranking <= last))
    lines = "line numbers" if database is None else f"lines of the database, 0..{last}"
    ordered = np.sort(ranking, axis=1)
    repeated = ordered[:, 1:] == ordered[:, :-1]
    found = (
        (outside, f"with values that are no {lines}", lambda row: ranking[row][outside[row]]),
        (repeated, "with a value twice or more", lambda row: np.unique(ordered[row, 1:][repeated[row]])),
    )
    return [
        _fault_of_rows(np.flatnonzero(wrong.any(1)), len(ranking), what, values)
        for wrong, what, values in found
        if wrong.any()
    ]


def _fault_of_rows(rows: np.ndarray, number: int, what: str, values: Callable[[int], np.ndarray]) -> str:
    lines = [f"{len(rows):,} of {number:,} rows {what}:"]
    lines += [f"row {row}: {', '.join(map(str, values(row)))}" for row in rows[:EXAMPLES].tolist()]
    if len(rows) > EXAMPLES:
        lines.append(f"and {len(rows) - EXAMPLES:,} more rows")
    return "\n".join(lines)
