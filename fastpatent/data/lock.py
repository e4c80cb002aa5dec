"""A lock that allows one writer per folder, and whether there is one."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastpatent.errors import DataError
from fastpatent.files import open_regular, regular


@contextmanager
def only_writer(folder: str | os.PathLike[str], job: str, wait: bool = False) -> Iterator[None]:
    """Lock a folder against other processes that do the same job, while the block runs.

    A record lock: the system releases it when the process ends in any way, and worker processes do not inherit it.

    Raises:
        DataError: another process has the lock, unless `wait` says to wait for it; or the folder cannot be locked, or its
            .lock is no regular file.
    """
    with open(Path(folder) / ".lock", "a", opener=regular) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except (BlockingIOError, PermissionError) as error:  # POSIX allows either
            raise DataError(f"{folder}: another `{job}` is writing to this folder") from error
        except OSError as error:
            raise DataError(f"{folder}: the folder cannot be locked against a second writer: {error.strerror}") from error
        yield


def has_writer(folder: str | os.PathLike[str]) -> bool:
    """Return whether another process holds the lock of `only_writer`, also where that cannot be found out.

    Not for a process that holds it: to close the file would release it.
    """
    try:
        with open_regular(Path(folder) / ".lock") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
