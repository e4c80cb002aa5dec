"""Sketchy: sketches and the photographs they were drawn of (Sangkloy et al., SIGGRAPH 2016).

The sketch `sketch/tx_000000000000/<category>/n02691156_10151-3.png` is of the photograph
`photo/tx_000000000000/<category>/n02691156_10151.jpg`, which is read as one grey channel, as everything else.
"""

import os
from functools import partial

from fastpatent.data.datasets import DATASETS
from fastpatent.data.datasets.drawings import hashed_order
from fastpatent.data.lists import read_lines
from fastpatent.data.samples import DRAWING, PARTS, PHOTO, Sample, Splits, find_drawings
from fastpatent.errors import ConfigError, DataError

PLACES = (
    ".",
    "256x256",
    "rendered_256x256/256x256",
)  # below DATASETS.ROOT, where the folders of sketches and photos may lie
FOLDERS = {DRAWING: "sketch/tx_000000000000", PHOTO: "photo/tx_000000000000"}  # neither centred nor cropped
INFO_PLACES = ("info", "info-06-04/info")  # where the archive's lists may lie
TEST_LIST = "testset.txt"  # <category>/<photograph>.jpg a line
INVALID_LISTS = tuple(f"invalid-{fault}.txt" for fault in ("ambiguous", "context", "error", "pose"))  # <sketch> a line
HELD_OUT, SEED = 0.1, 0  # share of the photographs of a category, and what chooses them


def read_sketchy(cfg, parts=None, verify=True, *, name, by_photograph=False, trained=(DRAWING, PHOTO), has=PARTS):
    """Read Sketchy below DATASETS.ROOT; what is found is there, so `verify` changes nothing.

    The photographs of the archive's test list are held out; where there is no such list, a tenth of each category's,
    chosen by their names alone, as many as the paper holds out. Their sketches are the queries and they are the gallery;
    all others are trained on. Sketches that a list of the archive calls invalid are left out.

    Args:
        name: of the data set.
        by_photograph: the identity is `<category>/<photograph>`, else the category.
        trained: domains of the training samples.
        has: the parts of this data set.

    Raises:
        ConfigError: a part is asked for that this data set never has.
        DataError: there are no sketches or no photographs.
    """
    for part in parts or ():
        if part not in has:
            raise ConfigError(f"DATASETS: {name} has no {part} drawings")
    root = cfg.DATASETS.ROOT
    invalid = {line for listed in INVALID_LISTS for line in _lines(root, listed)}
    found = [file for domain in FOLDERS for file in _files(name, root, domain, invalid)]
    held_out = _held_out({(category, photograph) for category, photograph, _, _ in found}, root)
    splits = Splits(name, [], [], [], stage="test")
    for category, photograph, path, domain in found:
        sample = Sample(path, f"{category}/{photograph}" if by_photograph else category, domain)
        part = "train" if (category, photograph) not in held_out else "query" if domain == DRAWING else "gallery"
        if part in has and (part != "train" or domain in trained):
            getattr(splits, part).append(sample)
    return splits


def _lines(root, name):
    """Return the lines of one of the archive's lists; none where it is not there."""
    paths = [path for place in INFO_PLACES if os.path.isfile(path := os.path.join(root, place, name))]
    return [line for path in paths[:1] for _, line in read_lines(path)]


def _files(name, root, domain, invalid):
    """Yield (category, photograph, path, domain) of every sketch, or of every photograph."""
    folders = [os.path.normpath(os.path.join(root, place, FOLDERS[domain])) for place in PLACES]
    folder = next(filter(os.path.isdir, folders), None)
    if folder is None:
        raise DataError(f"{name}: there is no folder {' or '.join(folders)} (DATASETS.ROOT)")
    for relative in find_drawings(folder):
        category, _, file = relative.partition("/")
        stem = os.path.splitext(file)[0]
        if file and "/" not in file and stem not in invalid:
            photograph = stem.rpartition("-")[0] if domain == DRAWING else stem
            yield category, photograph, os.path.abspath(os.path.join(folder, relative)), domain


def _held_out(photographs, root):
    """Return those of a set of (category, photograph) that are not to be trained on."""
    listed = {tuple(os.path.splitext(line)[0].split("/")) for line in _lines(root, TEST_LIST)}
    if listed:
        return listed & photographs
    categories = {}
    for category, photograph in photographs:
        categories.setdefault(category, []).append(photograph)
    return {
        (category, photograph)
        for category, names in categories.items()
        for photograph in hashed_order(names, SEED)[: max(round(len(names) * HELD_OUT), min(len(names) - 1, 1))]
    }


for _name, _settings in {
    "Sketchy": {},
    "SketchyInstances": {"by_photograph": True},
    "SketchySketches": {"trained": (DRAWING,), "has": ("train",)},
    "SketchyPhotos": {"trained": (PHOTO,), "has": ("train",)},
}.items():
    DATASETS.register(partial(read_sketchy, name=_name, **_settings), name=_name)
