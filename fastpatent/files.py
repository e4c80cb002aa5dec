"""Atomic file writes, outputs that replace nothing foreign and follow no link, folders, and file digests."""

import errno
import hashlib
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterable
from io import BufferedReader
from pathlib import Path

from fastpatent.errors import DataError

# Python reads the bytes of a file name that is not UTF-8 as surrogates, which no text file takes
ESCAPED = "backslashreplace"
HEAD = 2**16  # bytes; whatever marks a file of ours is in its first few kilobytes
LEDGER = 2**24  # bytes of a ledger that are read; one has a line for each list and table


def write_atomically(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Call `write(temporary path)` in the folder of `path`, then rename: readers see the old or the new file, never a part.

    A full disk, an error or a kill leaves the old file unchanged; the new one survives a loss of power. Errors are
    re-raised; an OSError then names `path`. A link at `path` is replaced, not followed. The temporary file is new, under a
    name that nobody can guess: in a folder where others may create files, but not remove yours, such as /tmp, no link leads
    the write elsewhere. In a folder where they may remove yours too, nothing is promised.

    Args:
        path: the file to write.
        write: function that fills the empty file at the given Path, or replaces it.
    """
    path = Path(path)
    temporary = path.with_name(f".{unguessable()}.{path.name}")  # keeps the suffix, from which some writers infer the format
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))  # O_EXCL follows no link
        write(temporary)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OSError(
            error.errno, error.strerror or str(error), str(path)
        ) from error  # the error of a full disk does not name the file
    finally:
        temporary.unlink(missing_ok=True)


def unguessable() -> str:
    """Return the part of a temporary file's name that nobody can know before: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def remove_temporaries(folder: str | os.PathLike[str], names: Iterable[str]) -> None:
    """Remove what killed processes have left of `write_atomically`; for the one process that may write these files now.

    Args:
        folder: of the files; it need not exist.
        names: of the files, as patterns of glob.
    """
    for name in names:
        remove_files(Path(folder).glob(f".{'[0-9a-f]' * 16}.{name}"))


def remove_files(paths: Iterable[Path]) -> None:
    """Remove some files and links, not what the links lead to; folders stay."""
    for path in paths:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)


def regular(path: str, flags: int) -> int:
    """Open a regular file; the `opener` of `open` for names that a stranger may have taken.

    Raises:
        DataError: there is a link, whose target would be written to, a FIFO, which would block, or a folder.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    except OSError:
        if not os.path.lexists(path) or stat.S_ISREG(os.lstat(path).st_mode):
            raise
    raise DataError(f"{path}: is a link, a folder or a device where a regular file is expected; remove it")


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file to read its bytes; OSError too where it is a FIFO or device, which may have no end or let readers wait."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "is not a regular file", os.fspath(path))
    return file


def read_regular(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the bytes of a file; OSError as `open_regular`, and where there are more than `most`."""
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"has more than {most:,} bytes", os.fspath(path))
    return data


def head(path: str | os.PathLike[str]) -> bytes:
    """Return the first bytes of a file, by which its writer knows it again; errors as `regular`."""
    with open(path, "rb", opener=regular) as file:
        return file.read(HEAD)


def _sync_folder(folder: Path) -> None:
    """Write a folder's names to the disk, without which a rename may be lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems cannot
        pass
    finally:
        os.close(descriptor)


def make_folder(folder: str | os.PathLike[str], given_by: str = "OUTPUT_DIR") -> Path:
    """Make a folder for outputs, and those above it, where they are missing; DataError where it cannot be made.

    Args:
        folder: its path.
        given_by: key or option that gives it, for messages.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise DataError(f"{folder}: is not a folder, so nothing can be written into it ({given_by})") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{folder}: the folder cannot be made: {reason} ({given_by})") from error
    return folder


def check_output(path: str | os.PathLike[str], option: str, is_ours: Callable[[Path], bool]) -> Path:
    """Return the path of a file to write; DataError where that cannot be done or would replace what is not ours.

    Args:
        path: given by the user.
        option: that gives it, for messages.
        is_ours: function of the path of an existing file that returns whether the same command wrote it; whatever it raises
            counts as no.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise DataError(f"{option} {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise DataError(f"{option} {path}: is a folder; name a file")
    if not os.path.lexists(path):
        try:
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            raise DataError(f"{option} {path}: nothing can be written there: {error.strerror}") from error
        return path
    try:
        ours = path.is_file() and is_ours(path)  # a reader would wait for a FIFO
    except Exception:  # of any other file, a reader raises anything
        ours = False
    if not ours:
        raise DataError(
            f"{option} {path}: this file is there already and was not written by this command; choose another name"
        )
    return path


def check_new(path: str | os.PathLike[str], option: str) -> None:
    """Raise DataError where a file cannot be written, or is there already; arguments as of `check_output`."""
    if os.path.lexists(path):
        raise DataError(f"{option} {path}: is there already, and nothing is overwritten; choose another name")
    check_output(path, option, lambda _: False)


class Ledger:
    """Remembers the digests of the files that a command writes into a user's folder, so that it replaces no others.

    Args:
        path: JSON file of the ledger, {file name: [SHA-256 of the last contents]}.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._digests: dict[str, list[str]] = {}
        try:
            with open(self.path, "rb", opener=regular) as opened:
                for name, digests in json.loads(opened.read(LEDGER)).items():
                    self._digests[name] = [str(digest) for digest in digests]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{self.path}: cannot be read: {error}") from error

    def check(self, paths: Iterable[Path], command: str) -> None:
        """Raise DataError for the first of some files that is there and that `command` did not write."""
        for path in paths:
            ours = path.is_file() and sha256_of(path) in self._digests.get(path.name, ())
            if os.path.lexists(path) and not ours:
                raise DataError(
                    f"{path}: was not written by `{command}`, or was changed since, and is not replaced; "
                    "choose another folder, or move it away"
                )

    def write(self, path: Path, write: Callable[[Path], object]) -> None:
        """Write a file atomically; its digest is noted before it appears, so that a kill in between does not disown it."""

        def write_noted(temporary: Path) -> None:
            write(temporary)
            self._note(path.name, [*self._digests.get(path.name, ())[-1:], sha256_of(temporary)])

        write_atomically(path, write_noted)
        self._note(path.name, self._digests[path.name][-1:])

    def _note(self, name: str, digests: list[str]) -> None:
        self._digests[name] = digests
        text = json.dumps(self._digests, indent=1, sort_keys=True)
        write_atomically(self.path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with open_regular(path) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
