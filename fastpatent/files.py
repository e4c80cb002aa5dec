"""Files that appear whole or not at all, and their digests."""

import hashlib
import os
from pathlib import Path


def write_atomically(path, write):
    """Call `write(temporary path)` beside `path`, then rename: a reader sees the old file or the new, never half of one.

    A full disk, an error or a kill leaves the old file as it was. The error is passed on, an OSError with `path`'s name.

    Args:
        path: the file to write.
        write: function of one Path that creates and fills it.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")  # keeps the suffix, by which some writers choose a format
    try:
        write(temporary)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error  # a full disk does not say which file
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of(path):
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
