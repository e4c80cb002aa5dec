"""List files of DeepPatent: one `<relative path> <label>` a line, or the path alone."""

import os

from fastpatent.data.samples import Sample
from fastpatent.errors import DataError


class Listing:
    """Which files exist, asked once a folder instead of once a file: lists name tens of thousands."""

    def __init__(self):
        self._names = {}

    def has(self, path):
        """Return whether `path`, a folder and a name with "/" between, is there."""
        folder, _, name = path.rpartition("/")  # an eighth of the time of os.path.split
        if folder not in self._names:
            try:
                self._names[folder] = set(os.listdir(folder))
            except (FileNotFoundError, NotADirectoryError):
                self._names[folder] = frozenset()
        names = self._names[folder]
        # file systems that fold case or Unicode forms hold more names than they list
        return name in names or (bool(names) and os.path.exists(path))


def read_lines(path):
    """Read the relative paths of a list file.

    A last word that is an integer is a label and dropped: labels restart at 1 in every list, so they identify nothing.
    Blank lines, CR LF, a byte order mark and spaces inside names are taken as they come.

    Args:
        path: the list file, UTF-8.

    Returns:
        list of (line number from 1, path relative to the drawings' folder).

    Raises:
        DataError: the list is missing or no text, or a line's path leaves the drawings' folder.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: the list is no UTF-8 text") from error
    except OSError as error:
        raise DataError(f"{path}: the list cannot be read: {error.strerror}") from error
    if "\0" in text:
        raise DataError(f"{path}: the list is no text, it holds zero bytes")
    lines = []
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if line and not line.isspace():
            lines.append((number, _inside(_without_label(line.strip()), path, number)))
    return lines


def listed_samples(lines, path, folder, verify=True):
    """Turn the lines of a list into samples; the identity is the name of the folder that holds the drawing.

    Args:
        lines: from `read_lines`.
        path: the list file, for messages.
        folder: where the lines' paths start.
        verify: raise where the list is empty or a drawing is missing; False returns the samples as listed.

    Returns:
        list of `Sample`, in the list's order.

    Raises:
        DataError: naming the list and line.
    """
    if verify and not lines:
        raise DataError(f"{path}: the list is empty")
    folder = os.path.abspath(folder)
    samples, listing = [], Listing()
    for number, relative in lines:
        drawing = f"{folder}/{relative}"
        if verify and not listing.has(drawing):
            raise DataError(f"{path}:{number}: no such drawing: {drawing}")
        samples.append(Sample(drawing, drawing.rsplit("/", 2)[-2]))
    return samples


def _without_label(line):
    name, _, last = line.rpartition(" ") if "\t" not in line else line.rpartition("\t")
    label = last[1:] if last.startswith("-") else last
    return name.rstrip() if name and label.isascii() and label.isdigit() else line


def _inside(relative, path, number):
    if relative[0] in "./" or "/." in relative or "//" in relative or relative[-1] == "/":
        normal = os.path.normpath(relative)
        if os.path.isabs(normal) or normal.split("/")[0] == "..":
            raise DataError(f"{path}:{number}: {relative} leads out of the drawings' folder")
        return normal
    return relative
