"""Where the sheets of a patent lie: archives unpack to several layouts, and sheets may have been converted."""

import os
from itertools import product

from fastpatent.data.samples import SUFFIXES

PLACES = (".", "patents", "train_data/patent_data", "patent_data", "train_data", "images")  # below DATASETS.ROOT
FORMS = ("{patent}", "I{date}/{patent}", "I{date}/DESIGN/{patent}")  # below one of these


class SheetFinder:
    """Finds sheets by their file names below some folders; one listing of a folder a patent, and nothing is kept.

    Args:
        root: DATASETS.ROOT.
        folders: others, in which a week's or a patent's folder may lie too.
    """

    def __init__(self, root, folders=()):
        self.root = root
        bases = [*map(os.path.abspath, folders), *(os.path.abspath(os.path.join(root, place)) for place in PLACES)]
        self._places = list(product(filter(os.path.isdir, dict.fromkeys(bases)), FORMS))

    def find(self, patent, sheets):
        """Return {file name: absolute path} of those sheets of a patent that are there, in whatever format of drawings.

        A file of that very name is preferred. All are taken from one folder that has any of them; where the patent before
        lay is looked at first.
        """
        for number, (base, form) in enumerate(self._places):
            folder = f"{base}/{form.format(patent=patent, date=patent[-8:])}"
            try:
                names = os.listdir(folder)
            except OSError:
                continue
            found = _found(folder, names, sheets)
            if found:
                self._places.insert(0, self._places.pop(number))  # the next patent is likely to lie beside this one
                return found
        return {}


def _found(folder, names, sheets):
    exact = set(names)
    found = {sheet: f"{folder}/{sheet}" for sheet in sheets if sheet in exact}
    if len(found) < len(sheets):  # converted, or not there
        converted = {}
        for name in sorted(names, key=_preference):
            converted.setdefault(os.path.splitext(name)[0].upper(), name)
        for sheet in sheets:
            other = converted.get(os.path.splitext(sheet)[0].upper())
            if sheet not in found and other and _preference(other)[0] < len(SUFFIXES):
                found[sheet] = f"{folder}/{other}"
    return found


def _preference(name):
    """Return what files of one stem are ordered by: SUFFIXES, then those that are no drawings."""
    suffix = os.path.splitext(name)[1].lower()
    return SUFFIXES.index(suffix) if suffix in SUFFIXES else len(SUFFIXES), name
