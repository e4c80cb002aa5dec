"""One writer a folder."""

import fcntl
from contextlib import contextmanager
from pathlib import Path

from fastpatent.errors import DataError


@contextmanager
def only_writer(folder, job):
    """Keep other processes from doing a job in a folder while the block runs; DataError where one is at it already.

    A record lock: the system gives it back when the process ends, however it ends, and its worker processes do not
    inherit it.
    """
    with open(Path(folder) / ".lock", "a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:  # POSIX leaves the choice between the two
            raise DataError(f"{folder}: another `{job}` is writing to this folder") from error
        except OSError as error:
            raise DataError(f"{folder}: the folder cannot be locked against a second writer: {error.strerror}") from error
        yield
