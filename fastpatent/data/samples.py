"""What the rest of the package knows of a data set: drawings with their identities, in three parts."""

import os
from dataclasses import dataclass, field
from typing import NamedTuple

from fastpatent.errors import DataError

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
PARTS = ("train", "query", "gallery")


DRAWING, PHOTO = 0, 1


class Sample(NamedTuple):
    """One drawing: absolute path, the identity (patent) it belongs to, None where that is not told, and its domain.

    `domain` is DRAWING, or PHOTO in data sets that pair drawings with photographs. `caption` is a text that goes with the
    drawing, `category` the class of its patent; None where there is none.
    """

    path: str
    identity: str | None
    domain: int = DRAWING
    caption: str | None = None
    category: str | None = None


@dataclass
class Splits:
    """One data set: lists of `Sample` to train on, to ask with, and to be found.

    `stage` says what query and gallery are for: "val" chooses the best weights, "test" is reported. `left_out` tells what
    was left out as it was read, or has no text, and breaks no run: {kind of fault: list of sentences}.
    """

    name: str
    train: list
    query: list
    gallery: list
    stage: str = "val"
    left_out: dict = field(default_factory=dict)


def label_map(samples):
    """Return {identity: 0..n-1} in sorted order, the same in every process; unlabelled samples are left out."""
    identities = sorted({sample.identity for sample in samples if sample.identity is not None})
    return {identity: label for label, identity in enumerate(identities)}


def unmatched_queries(query, gallery):
    """Return the labelled queries whose identity has no drawing in the gallery: their AP is not defined."""
    findable = {sample.identity for sample in gallery}
    return [sample for sample in query if sample.identity is not None and sample.identity not in findable]


def captioned(samples):
    """Return the places of the samples that have a caption, list of int."""
    return [place for place, sample in enumerate(samples) if sample.caption]


def names_below(root, samples):
    """Return the paths of samples relative to `root`, by which a drawing is known wherever the data lie; list of str."""
    prefix = os.path.join(os.path.abspath(root), "")
    return [sample.path.removeprefix(prefix) for sample in samples]


def find_drawings(folder):
    """Return the drawings below a folder, at any depth: paths relative to it with "/" between, sorted.

    Hidden files and folders and files of other kinds are left out; a folder reached twice through links counts once.

    Raises:
        DataError: there is no such folder.
    """
    if not os.path.isdir(folder):
        raise DataError(f"{folder}: there is no such folder of drawings")
    found, visited = [], set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = os.path.relpath(here, folder).replace(os.sep, "/")
        prefix = "" if relative == "." else f"{relative}/"
        found += [prefix + name for name in files if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
    return sorted(found)
