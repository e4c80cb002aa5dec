"""Where the lists and drawings of a data set lie: published archives unpack to several layouts."""

import os

from fastpatent.data.lists import Listing, listed_samples, read_lines
from fastpatent.data.samples import PARTS, Splits
from fastpatent.errors import ConfigError, DataError

PROBES = 64  # list lines tried to tell the drawings' folder, so that one missing drawing does not hide it


def read_splits(name, root, lists, list_places, drawing_places, *, parts=None, verify=True, stage="val"):
    """Read a data set from its list files.

    Args:
        name: the data set, for messages.
        root: DATASETS.ROOT.
        lists: {part: list file name}; a part that the data set does not have is left out.
        list_places: folders under `root` where the lists may lie, in order of preference.
        drawing_places: folders under `root` where the lists' paths may start.
        parts: those of train, query, gallery that must be there; None takes whatever is found, at least one.
        verify: raise at the first missing drawing or empty list; False leaves that to the caller.
        stage: see `Splits`.

    Raises:
        ConfigError: a part is asked for that this data set never has.
        DataError: a list or drawing is missing, with the places that were tried.
    """
    folders = [os.path.normpath(os.path.join(root, place)) for place in list_places]
    drawing_folders = [os.path.normpath(os.path.join(root, place)) for place in drawing_places]
    found = {}
    for part in parts or lists:
        if part not in lists:
            raise ConfigError(f"DATASETS: {name} has no {part} drawings")
        paths = [f"{folder}/{lists[part]}" for folder in folders if os.path.isfile(f"{folder}/{lists[part]}")]
        if paths:
            found[part] = _read_part(paths, drawing_folders, verify)
        elif parts:
            raise DataError(f"{name}: no list {lists[part]} in {' or '.join(folders)} (DATASETS.ROOT)")
    if not found:
        raise DataError(f"{name}: none of {', '.join(lists.values())} in {' or '.join(folders)} (DATASETS.ROOT)")
    return Splits(name, *(found.get(part, []) for part in PARTS), stage=stage)


def _read_part(paths, folders, verify):
    """Read the list, and take the folder, that fit together; the first of both where no drawing is found."""
    lines = {path: read_lines(path) for path in paths}
    for path in paths:
        folder = _holding_folder(lines[path], folders)
        if folder is not None:
            return listed_samples(lines[path], path, folder, verify)
    path = paths[0]
    if verify and lines[path]:
        number, relative = lines[path][0]
        raise DataError(f"{path}:{number}: no drawing {relative} in {' or '.join(folders)}")
    return listed_samples(lines[path], path, folders[0], verify)


def _holding_folder(lines, folders):
    listing = Listing()
    for _, relative in lines[:: max(1, len(lines) // PROBES)]:
        for folder in folders:
            if listing.has(f"{folder}/{relative}"):
                return folder
    return None
