"""Samples and splits, the representation of every data set: images with identities, in three parts."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from PIL import Image

PARTS = ("train", "query", "gallery")

DRAWING, PHOTO = 0, 1


class Sample(NamedTuple):
    """One image: absolute path, identity (patent) or None where unlabelled, and domain.

    `domain` is DRAWING, or PHOTO in data sets that pair drawings with photographs. `caption` is the text of the image,
    `category` the class of its patent; None where there is none. `image` is the image itself, of mode L, where it is in
    memory and in no file, or where it is part of a file, a picklable function (invert, most) -> image, see `open_drawing`:
    `path` is then its name, which is no absolute path.
    """

    path: str
    identity: str | None
    domain: int = DRAWING
    caption: str | None = None
    category: str | None = None
    image: Image.Image | Callable[[bool, int], Image.Image] | None = None


@dataclass
class Splits:
    """One data set: training samples, queries and gallery.

    `stage` is the purpose of query and gallery: "val" selects the best weights, "test" is reported. `skipped` records
    items that were skipped while reading or have no text, which break no run: {kind of fault: list of messages}. `listed`:
    query i and gallery image i are line i of list files, as in the challenge, whose submissions count lines. `warnings`: see
    `fastpatent.data.degenerate`.
    """

    name: str
    train: list[Sample]
    query: list[Sample]
    gallery: list[Sample]
    stage: str = "val"
    skipped: dict[str, list[str]] = field(default_factory=dict)
    listed: bool = False
    warnings: list[str] = field(default_factory=list)


def label_map(samples: Iterable[Sample]) -> dict[str, int]:
    """Return {identity: label 0..n-1} in sorted order, the same in every process; unlabelled samples are ignored."""
    identities = sorted({sample.identity for sample in samples if sample.identity is not None})
    return {identity: label for label, identity in enumerate(identities)}


def unmatched_queries(query: Iterable[Sample], gallery: Iterable[Sample]) -> list[Sample]:
    """Return the labelled queries whose identity is not in the gallery: their AP is undefined."""
    findable = {sample.identity for sample in gallery}
    return [sample for sample in query if sample.identity is not None and sample.identity not in findable]


def add_skipped(skipped: dict[str, list[str]], more: Mapping[str, Iterable[str]]) -> None:
    """Add {kind of fault: its cases} to another such dict; each case once, as data sets may read the same folder."""
    for kind, cases in more.items():
        skipped[kind] = list(dict.fromkeys([*skipped.get(kind, ()), *cases]))


def captioned(samples: Iterable[Sample]) -> list[int]:
    """Return the indices of the samples that have a caption."""
    return [place for place, sample in enumerate(samples) if sample.caption]


def names_below(root: str | os.PathLike[str], samples: Iterable[Sample]) -> list[str]:
    """Return the paths of samples relative to `root`, which do not depend on the location of the data."""
    prefix = os.path.join(os.path.abspath(root), "")
    return [sample.path.removeprefix(prefix) for sample in samples]
