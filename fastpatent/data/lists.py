"""List files of DeepPatent: one `<relative path> <label>` per line, or the path alone."""

import errno
import io
import os
import sys
import unicodedata
from array import array
from collections.abc import Collection, Iterable, Iterator
from itertools import count

import numpy as np

from fastpatent.data.records import Sample
from fastpatent.errors import DataError
from fastpatent.files import open_regular

LONGEST = 500  # letters of a path in a message
LONGEST_LINE = 2**15  # letters: no system has longer paths
MOST_LINES = 5_000_000  # samples of so many take 1.5 GB; DeepPatent has 355,000 drawings in all
MOST_BYTES = 200_000_000  # of names of files and folders that are remembered; DeepPatent has 400,000 names, 75 MB
LONGEST_NAME = 3 * 255  # letters, in any form: no file has more. To normalise takes the square of them
MISSING = errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG  # a folder that is not there, nor can be
NAME = 150  # bytes of a name beside its letters


class Listing:
    """Existence of files, with one directory listing per folder: lists name tens of thousands of files.

    Args:
        packed: absolute paths of others that count as there, see `packed_files`.
    """

    def __init__(self, packed: Iterable[str] = ()) -> None:
        self._packed: dict[str, set[str]] = {}
        for path in packed:
            folder, _, name = path.rpartition("/")
            self._packed.setdefault(folder, set()).add(name)
        self._names: dict[str, Collection[str]] = {}
        self._composed: dict[str, dict[str, str]] = {}
        self._others: dict[str, str | None] = {}  # of folders that are not there, see `_existing`
        self._room = MOST_BYTES

    def find(self, path: str) -> str | None:
        """Return the file of `path`, of the form "<folder>/<name>"; None where there is none.

        It is `path` itself, or the one whose names differ in their Unicode form alone: a list made on a Mac has letters and
        their accents apart (NFD), where other systems join them (NFC).

        Raises:
            DataError: the folder cannot be read.
        """
        folder, _, name = path.rpartition("/")  # takes an eighth of the time of os.path.split
        names = self._listed(folder)
        # file systems that fold case or Unicode forms accept more names than they list
        if name in names or (names and os.path.exists(path)):
            return path
        if path.isascii() or len(name) > LONGEST_NAME:
            return None
        if not names:
            if folder not in self._others:
                self._others[folder] = self._existing(folder)
            found = self._others[folder]
            return self.find(f"{found}/{name}") if found and found != folder else None
        if folder not in self._composed:
            self._composed[folder] = {unicodedata.normalize("NFC", other): other for other in names}
        other = self._composed[folder].get(unicodedata.normalize("NFC", name))
        return f"{folder}/{other}" if other else None

    def _existing(self, folder: str) -> str | None:
        """Return `folder` or the one whose names differ in their form alone, from the top: below a missing one is none."""
        here = ""
        for name in folder.split("/")[1:]:
            path = f"{here}/{name}"
            here = path if os.path.exists(path) else self.find(path)
            if here is None:
                return None
        return here

    def _listed(self, folder: str) -> Collection[str]:
        if folder not in self._names:
            if self._room < 0:
                for remembered in (self._names, self._composed, self._others):
                    remembered.clear()  # and listed again where it is asked for
                self._room = MOST_BYTES
            try:
                names = set(os.listdir(folder))
            except OSError as error:
                if error.errno not in MISSING:
                    raise DataError(f"{folder}: the folder cannot be read: {error.strerror}") from error
                names = set()
            if self._packed:
                names |= self._packed.get(os.path.abspath(folder), set())
            self._names[folder] = names or frozenset()  # one for all that are missing
            self._room -= NAME + len(folder) + NAME * len(names) + sum(map(len, names))
        return self._names[folder]


def read_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Read the relative paths of a list file, a line at a time: a list of all of them would take more memory than the file.

    A trailing integer is a label and dropped: labels restart at 1 in every list, so they are not identities. Blank lines,
    CR LF, a byte order mark and spaces inside names are allowed.

    Args:
        path: the list file, UTF-8, or with names of files that are not.

    Yields:
        (line number from 1, path relative to the images' folder) of each line.

    Raises:
        DataError: the list is missing, no regular file or not text, a line is longer than LONGEST_LINE, there are more than
            MOST_LINES, or a path leads outside the images' folder.
    """
    for number, line in _text_lines(path):
        yield number, _inside(_split(line)[0], path, number)


def check_labels(path: str | os.PathLike[str]) -> None:
    """Raise DataError where images of one folder have several labels: the identity is the folder, and the list denies it."""
    hashes = array("q")  # 16 bytes a line, where the names would take 300
    for _, _, folder, label in _labelled_lines(path):
        hashes.append(hash(folder))
        hashes.append(hash(label))
    folders, of_lines = np.frombuffer(hashes, np.int64).reshape(-1, 2).T
    order = np.lexsort((of_lines, folders))
    folders, of_lines = folders[order], of_lines[order]
    several = set(folders[1:][(folders[1:] == folders[:-1]) & (of_lines[1:] != of_lines[:-1])].tolist())
    labels: dict[str, tuple[str, int]] = {}
    for number, relative, folder, label in _labelled_lines(path) if several else ():
        if hash(folder) not in several:
            continue
        first, where = labels.setdefault(folder, (label, number))
        if label != first and label and first:
            raise DataError(
                f"{path}:{number}: {relative} has the label {label}, and line {where} has {first} for the same folder. "
                "The identity of an image is its folder, never its label: put every design into a folder of its own"
            )


def _labelled_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str, str, str]]:
    """Yield (line number, relative path, its folder, label) of the lines of a list."""
    for number, line in _text_lines(path):
        relative, label = _split(line)
        yield number, relative, relative.replace("\\", "/").rpartition("/")[0], label


def _text_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without spaces around it) of the lines that are not blank; errors as `read_lines`."""
    try:
        # surrogateescape: as Python names files that are not UTF-8
        with io.TextIOWrapper(open_regular(path), "utf-8-sig", "surrogateescape") as file:
            for number in count(1):
                line = file.readline(LONGEST_LINE + 1)
                if not line:
                    return
                if line.startswith("version https://git-lfs"):
                    raise DataError(
                        f"{path}: is a Git LFS pointer to a list that is not here; run `git lfs pull` in its repository"
                    )
                if "\0" in line:
                    raise DataError(f"{path}: the list is not text, it contains zero bytes")
                if len(line) > LONGEST_LINE:
                    raise DataError(f"{path}:{number}: the line has more than {LONGEST_LINE:,} letters")
                if number > MOST_LINES:
                    raise DataError(f"{path}: the list has more than {MOST_LINES:,} lines")
                if not line.isspace():
                    yield number, line.strip()
    except OSError as error:
        raise DataError(f"{path}: the list cannot be read: {error.strerror}") from error


def listed_samples(
    lines: Iterable[tuple[int, str]],
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    verify: bool = True,
    packed: Iterable[str] = (),
) -> list[Sample]:
    """Convert the lines of a list to samples; the identity is the name of the image's folder.

    Args:
        lines: from `read_lines`.
        path: the list file, for messages.
        folder: to which the lines' paths are relative.
        verify: raise where the list is empty or a file is missing; False returns the samples as listed.
        packed: see `Listing`.

    Returns:
        The samples, in the list's order.

    Raises:
        DataError: as above; it names list and line.
    """
    folder = os.path.abspath(folder)
    samples, listing = [], Listing(packed)
    for number, relative in lines:
        listed = f"{folder}/{relative}"
        drawing = listing.find(listed)
        if verify and drawing is None:
            raise DataError(f"{path}:{number}: no such drawing: {listed[:LONGEST]}")
        drawing = drawing or listed
        samples.append(Sample(drawing, sys.intern(drawing.rsplit("/", 2)[-2])))  # one string for all images of a patent
    if verify and not samples:
        raise DataError(f"{path}: the list is empty")
    return samples


def _split(line: str) -> tuple[str, str]:
    """Return (path, label) of a line; the label is empty where there is none."""
    name, _, last = line.rpartition(" ") if "\t" not in line else line.rpartition("\t")
    label = last[1:] if last.startswith("-") else last
    return (name.rstrip(), last) if name and label.isascii() and label.isdigit() else (line, "")


def _inside(relative: str, path: str | os.PathLike[str], number: int) -> str:
    if relative[0] in "./" or "/." in relative or "//" in relative or relative[-1] == "/":
        normal = os.path.normpath(relative)
        if os.path.isabs(normal) or normal.split("/")[0] == "..":
            raise DataError(f"{path}:{number}: {relative} leads out of the drawings' folder")
        return normal
    return relative
