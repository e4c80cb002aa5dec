"""The challenge submission: the ten best database lines of every query, as `result.npy` inside `result.zip`."""

import os
import zipfile
from pathlib import Path

import numpy as np

from fastpatent.errors import DataError
from fastpatent.files import check_output, write_atomically

COLUMNS = 10
ARRAY, ARCHIVE = "result.npy", "result.zip"


def check_submission(folder: str | os.PathLike[str] = ".") -> None:
    """Raise DataError where result.npy or result.zip of a folder is not a submission and would be replaced by one."""
    check_output(Path(folder) / ARRAY, "the submission", _is_ranking)
    check_output(Path(folder) / ARCHIVE, "the submission", _is_packed_ranking)


def _is_ranking(path: Path) -> bool:
    found = np.load(path, mmap_mode="r", allow_pickle=False)
    return found.ndim == 2 and found.shape[1] == COLUMNS and found.dtype == np.int64


def _is_packed_ranking(path: Path) -> bool:
    with zipfile.ZipFile(path) as packed:
        return packed.namelist() == [ARRAY]


def write_submission(ranking: np.ndarray, folder: str | os.PathLike[str] = ".") -> tuple[Path, Path]:
    """Write result.npy and result.zip, each atomically.

    Args:
        ranking: int64 [queries, 10]; row i belongs to the i-th query line, values are 0-based lines of the database
            list, best first.
        folder: existing output folder.

    Returns:
        the two paths.

    Raises:
        DataError: not ten columns, or a file cannot be written.
    """
    ranking = np.ascontiguousarray(ranking, dtype=np.int64)
    if ranking.ndim != 2 or ranking.shape[1] != COLUMNS:
        raise DataError(f"a submission has {COLUMNS} columns, but the database has only {ranking.shape[-1]} drawings")
    array, archive = Path(folder) / ARRAY, Path(folder) / ARCHIVE

    def save(temporary: Path) -> None:
        with open(temporary, "wb") as opened:  # np.save would add a suffix to a bare name
            np.save(opened, ranking)

    def pack(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.write(array, array.name)

    for path, write in ((array, save), (archive, pack)):
        try:
            write_atomically(path, write)
        except OSError as error:
            raise DataError(f"{path} could not be written: {error.strerror}") from error
    return array, archive
