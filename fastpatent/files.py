"""Atomic file writes, and file digests."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

# Python reads the bytes of a file name that is not UTF-8 as surrogates, which no text file takes
ESCAPED = "backslashreplace"


def escaped(text: str) -> str:
    """Return a text that UTF-8 can encode, see ESCAPED."""
    return text.encode("utf-8", ESCAPED).decode()


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Call `write(temporary path)` in the folder of `path`, then rename: readers see the old or the new file, never a part.

    A full disk, an error or a kill leaves the old file unchanged. Errors are re-raised; an OSError then names `path`.

    Args:
        path: the file to write.
        write: function that creates the file at the given Path.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")  # keeps the suffix, from which some writers infer the format
    try:
        write(temporary)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            error.errno, error.strerror or str(error), str(path)
        ) from error  # the error of a full disk does not name the file
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
