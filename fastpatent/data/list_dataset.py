"""Find the lists and images of a data set: published archives unpack to several layouts."""

import os
from collections.abc import Collection, Mapping, Sequence

from fastpatent.data.lists import LONGEST, Listing, check_labels, listed_samples, read_lines
from fastpatent.data.records import PARTS, Sample, Splits
from fastpatent.errors import ConfigError, DataError

PROBES = 64  # first lines of a list that are tried to find the images' folder, so that one missing image does not hide it


def read_splits(
    name: str,
    root: str | os.PathLike[str],
    lists: Mapping[str, str],
    list_places: Sequence[str],
    drawing_places: Sequence[str],
    *,
    parts: Collection[str] | None = None,
    verify: bool = True,
    stage: str = "val",
    labelled: bool = True,
    packed: Collection[str] = (),
) -> Splits:
    """Read a data set from its list files.

    Args:
        name: the data set, for messages.
        root: DATASETS.ROOT.
        lists: {part: list file name}, without parts that the data set does not have.
        list_places: folders below `root` that may hold the lists, in order of preference.
        drawing_places: folders below `root` to which the lists' paths may be relative.
        parts: those of train, query, gallery that must exist; None takes all that are found, at least one.
        verify: raise at the first missing image or empty list; False leaves that to the caller.
        stage: see `Splits`.
        labelled: labels must not contradict the folders, which are the identities.
        packed: images that need no file, see `packed_files`.

    Raises:
        ConfigError: a requested part does not exist in this data set.
        DataError: a list or image is missing; the message gives the places tried.
    """
    folders = [os.path.normpath(os.path.join(root, place)) for place in list_places]
    drawing_folders = [os.path.normpath(os.path.join(root, place)) for place in drawing_places]
    found: dict[str, list[Sample]] = {}
    for part in parts or lists:
        if part not in lists:
            raise ConfigError(f"DATASETS: {name} has no {part} drawings")
        paths = [f"{folder}/{lists[part]}" for folder in folders if os.path.isfile(f"{folder}/{lists[part]}")]
        if paths:
            if labelled:
                check_labels(paths[0])
            found[part] = _read_part(paths, drawing_folders, verify, packed)
        elif parts:
            raise DataError(f"{name}: no list {lists[part]} in {' or '.join(folders)} (DATASETS.ROOT)")
    if not found:
        raise DataError(f"{name}: none of {', '.join(lists.values())} in {' or '.join(folders)} (DATASETS.ROOT)")
    return Splits(name, *(found.get(part, []) for part in PARTS), stage=stage, listed=True)


def _read_part(paths: Sequence[str], folders: Sequence[str], verify: bool, packed: Collection[str]) -> list[Sample]:
    """Read the first list whose images are in one of the folders; the first list and folder where no image is found."""
    for path in paths:
        folder = _holding_folder(path, folders, packed)
        if folder is not None:
            return listed_samples(read_lines(path), path, folder, verify, packed)
    path = paths[0]
    first = next(read_lines(path), None)
    if verify and first:
        number, relative = first
        hint = "; it separates folders by backslashes, write /" if "\\" in relative else ""
        raise DataError(f"{path}:{number}: no drawing {relative[:LONGEST]} in {' or '.join(folders)}{hint}")
    return listed_samples(read_lines(path), path, folders[0], verify)


def _holding_folder(path: str, folders: Sequence[str], packed: Collection[str]) -> str | None:
    listing, due = Listing(packed), 0
    for place, (_, relative) in enumerate(read_lines(path)):
        if place < due:
            continue
        due = place + 1 + place // PROBES  # after the first ever fewer
        for folder in folders:
            if listing.find(f"{folder}/{relative}"):
                return folder
    return None
