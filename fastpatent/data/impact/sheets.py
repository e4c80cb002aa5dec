"""Find the sheets of a patent: archives unpack to several layouts, and sheets may have been converted."""

import os
from collections.abc import Iterable, Sequence
from itertools import product

from fastpatent.data.image_files import SUFFIXES

PLACES = (".", "patents", "train_data/patent_data", "patent_data", "train_data", "images")  # below DATASETS.ROOT
MOST_FILES = 1000  # of a patent's folder; the largest of 50 real patents has 69
FORMS = ("{patent}", "I{date}/{patent}", "I{date}/DESIGN/{patent}")  # below one of these


class SheetFinder:
    """Find sheets by their file names; each search lists folders on disk again and caches nothing.

    Args:
        root: DATASETS.ROOT.
        folders: further folders that may hold folders of weeks or patents.
    """

    def __init__(self, root: str | os.PathLike[str], folders: Iterable[str] = ()) -> None:
        self.root = root
        bases = [*map(os.path.abspath, folders), *(os.path.abspath(os.path.join(root, place)) for place in PLACES)]
        self._places = list(product(filter(os.path.isdir, dict.fromkeys(bases)), FORMS))

    def find(self, patent: str, sheets: Sequence[str]) -> dict[str, str]:
        """Return {file name: absolute path} of those sheets of a patent that exist, in any supported format.

        A file of exactly that name is preferred. All are taken from one folder that has any of them; the place of the
        previous patent is tried first.
        """
        for number, (base, form) in enumerate(self._places):
            folder = f"{base}/{form.format(patent=patent, date=patent[-8:])}"
            try:
                names = os.listdir(folder)
            except OSError:
                continue
            if len(names) <= MOST_FILES and (found := _found(folder, names, sheets)):
                self._places.insert(0, self._places.pop(number))  # the next patent is probably beside this one
                return found
        return {}


def _found(folder: str, names: Sequence[str], sheets: Sequence[str]) -> dict[str, str]:
    exact = set(names)
    found = {sheet: f"{folder}/{sheet}" for sheet in sheets if sheet in exact}
    if len(found) < len(sheets):  # converted, or missing
        converted: dict[str, str] = {}
        for name in sorted(names, key=_preference):
            converted.setdefault(os.path.splitext(name)[0].upper(), name)
        for sheet in sheets:
            other = converted.get(os.path.splitext(sheet)[0].upper())
            if sheet not in found and other and _preference(other)[0] < len(SUFFIXES):
                found[sheet] = f"{folder}/{other}"
    return found


def _preference(name: str) -> tuple[int, str]:
    """Return the sort key of files of one stem: SUFFIXES in order, then files that are not images."""
    suffix = os.path.splitext(name)[1].lower()
    return SUFFIXES.index(suffix) if suffix in SUFFIXES else len(SUFFIXES), name
