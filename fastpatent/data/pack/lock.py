"""One writer a pack."""

import fcntl
from contextlib import contextmanager
from pathlib import Path

from fastpatent.errors import DataError


@contextmanager
def only_writer(folder):
    """Keep other processes from writing to a pack while the block runs; DataError where one is doing so already.

    A record lock: the system gives it back when the process ends, however it ends, and its worker processes do not
    inherit it.
    """
    with open(Path(folder) / ".lock", "a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:  # POSIX leaves the choice between the two
            raise DataError(f"{folder}: another `fastpatent data pack` is writing to this pack") from error
        except OSError as error:
            raise DataError(f"{folder}: the pack cannot be locked against a second writer: {error.strerror}") from error
        yield
