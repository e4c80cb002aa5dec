"""Sketchy: sketches and the photographs they were drawn from (Sangkloy et al., SIGGRAPH 2016).

The sketch `sketch/tx_000000000000/<category>/n02691156_10151-3.png` belongs to the photograph
`photo/tx_000000000000/<category>/n02691156_10151.jpg`, which is read as one grey channel, like all images.
"""

import os
from collections.abc import Collection, Iterator, Set
from functools import partial

from yacs.config import CfgNode

from fastpatent.data.confinement import confined_to
from fastpatent.data.datasets import DATASETS
from fastpatent.data.image_files import LOOSE, find_drawings
from fastpatent.data.lists import read_lines
from fastpatent.data.records import DRAWING, PARTS, PHOTO, Sample, Splits, add_skipped
from fastpatent.data.splitting import hashed_order
from fastpatent.errors import ConfigError, DataError

PLACES = (
    ".",
    "256x256",
    "rendered_256x256/256x256",
)  # folders below DATASETS.ROOT that may hold those of sketches and photos
FOLDERS = {DRAWING: "sketch/tx_000000000000", PHOTO: "photo/tx_000000000000"}  # neither centred nor cropped
INFO_PLACES = ("info", "info-06-04/info")  # folders that may hold the archive's lists
TEST_LIST = "testset.txt"  # one <category>/<photograph>.jpg per line
INVALID_LISTS = tuple(f"invalid-{fault}.txt" for fault in ("ambiguous", "context", "error", "pose"))  # one <sketch> per line
HELD_OUT, SEED = 0.1, 0  # share of the photographs of a category, and seed of their choice


def read_sketchy(
    cfg: CfgNode,
    parts: Collection[str] | None = None,
    verify: bool = True,
    *,
    name: str,
    by_photograph: bool = False,
    trained: Collection[int] = (DRAWING, PHOTO),
    has: Collection[str] = PARTS,
) -> Splits:
    """Read Sketchy below DATASETS.ROOT; only existing files are listed, so `verify` has no effect.

    The photographs of the archive's test list are held out; without that list, a tenth of each category, chosen by their
    names alone, as many as in the paper. They are the gallery and their sketches are the queries; all others are for
    training. Sketches in one of the archive's lists of invalid ones are skipped.

    Args:
        name: of the data set.
        by_photograph: the identity is `<category>/<photograph>`, else the category.
        trained: domains of the training samples.
        has: the parts of this data set.

    Raises:
        ConfigError: a requested part does not exist in this data set.
        DataError: there are no sketches or no photographs.
    """
    for part in parts or ():
        if part not in has:
            raise ConfigError(f"DATASETS: {name} has no {part} drawings")
    root = cfg.DATASETS.ROOT
    invalid = {line for listed in INVALID_LISTS for line in _lines(root, listed)}
    splits = Splits(name, [], [], [], stage="test")
    found = [file for domain in FOLDERS for file in _files(name, cfg, domain, invalid, splits.skipped)]
    held_out = _held_out({(category, photograph) for category, photograph, _, _ in found}, root)
    for category, photograph, path, domain in found:
        sample = Sample(path, f"{category}/{photograph}" if by_photograph else category, domain)
        part = "train" if (category, photograph) not in held_out else "query" if domain == DRAWING else "gallery"
        if part in has and (part != "train" or domain in trained):
            getattr(splits, part).append(sample)
    return splits


def _lines(root: str, name: str) -> list[str]:
    """Return the lines of one of the archive's lists; empty where it is missing."""
    paths = [path for place in INFO_PLACES if os.path.isfile(path := os.path.join(root, place, name))]
    return [line for path in paths[:1] for _, line in read_lines(path)]


def _files(
    name: str, cfg: CfgNode, domain: int, invalid: Set[str], skipped: dict[str, list[str]]
) -> Iterator[tuple[str, str, str, int]]:
    """Yield (category, photograph, path, domain) of every sketch, or of every photograph; add to `skipped`."""
    folders = [os.path.normpath(os.path.join(cfg.DATASETS.ROOT, place, FOLDERS[domain])) for place in PLACES]
    folder = next(filter(os.path.isdir, folders), None)
    if folder is None:
        raise DataError(f"{name}: there is no folder {' or '.join(folders)} (DATASETS.ROOT)")
    relatives, others = find_drawings(folder, within=confined_to(cfg))
    add_skipped(skipped, others)
    for relative in relatives:
        category, _, file = relative.partition("/")
        stem = os.path.splitext(file)[0]
        if not file:
            skipped.setdefault(LOOSE, []).append(os.path.abspath(os.path.join(folder, relative)))
        elif "/" not in file and stem not in invalid:
            photograph = stem.rpartition("-")[0] if domain == DRAWING else stem
            yield category, photograph, os.path.abspath(os.path.join(folder, relative)), domain


def _held_out(photographs: set[tuple[str, str]], root: str) -> set[tuple[str, str]]:
    """Return those of a set of (category, photograph) that are held out of training."""
    listed = {tuple(os.path.splitext(line)[0].split("/")) for line in _lines(root, TEST_LIST)}
    if listed:
        return photographs & listed
    categories: dict[str, list[str]] = {}
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
