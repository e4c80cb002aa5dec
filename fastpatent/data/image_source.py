"""Where the pixels of an image come from: a pack, if there is one that fits, or its own file."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import numpy as np
from PIL import Image
from yacs.config import CfgNode

from fastpatent.data.confinement import Confinement, confined_to
from fastpatent.data.image import MOST_PIXELS, black_on_white, inverts, open_drawing
from fastpatent.data.pack.reader import PackedDrawings, open_pack, portable_files
from fastpatent.data.pack.shard import PackSize
from fastpatent.data.records import Sample
from fastpatent.data.transforms import build_resize
from fastpatent.errors import DataError


class DecodedDrawings:
    """Images read from their files each time, or taken from memory.

    Args:
        resize: function of a PIL image of mode L -> PIL image of mode L, see `build_resize`.
        invert, most: see `read_drawing`.
        given: {path: PIL image of mode L} of those in memory, see `Sample`.
    """

    def __init__(
        self,
        resize: Callable[[Image.Image], Image.Image],
        invert: bool = False,
        most: int = MOST_PIXELS,
        given: Mapping[str, Image.Image] | None = None,
    ) -> None:
        self.resize, self.invert, self.most, self.given = resize, invert, most, given or {}

    def __call__(self, path: str) -> np.ndarray:
        """Return the image as uint8 [height, width], 0 ink .. 255 paper; DataError where it cannot be read."""
        image = self.given.get(path)
        if image is None:
            image = open_drawing(path, invert=self.invert, most=self.most)
        elif self.invert:
            image = black_on_white(image)
        return np.asarray(self.resize(image))


def build_decode(cfg: CfgNode, key: str, samples: Sequence[Sample] = ()) -> DecodedDrawings:
    """Return the DecodedDrawings of INPUT, at the size INPUT.<key>, with those of the samples that are in memory."""
    given = {sample.path: sample.image for sample in samples if sample.image is not None}
    return DecodedDrawings(build_resize(cfg, key), inverts(cfg), cfg.INPUT.MAX_PIXELS, given)


def pack_size(cfg: CfgNode, key: str) -> PackSize:
    """Return the PackSize of INPUT.<key>, "SIZE_TRAIN" or "SIZE_TEST"."""
    height, width = cfg.INPUT[key]
    return PackSize(height, width, cfg.INPUT.KEEP_ASPECT, cfg.INPUT.INTERPOLATION, inverts(cfg))


def pack_folder(cfg: CfgNode, size: PackSize) -> str | None:
    """Return the folder of the pack of one PackSize, or None where DATASETS.PACKS is empty.

    Raises:
        DataError: a relative DATASETS.PACKS leads out of the data, so that packing would write to another's pack.
    """
    packs = cfg.DATASETS.PACKS
    if not packs:
        return None
    folder = os.path.join(cfg.DATASETS.ROOT, packs, size.folder)
    if not os.path.isabs(packs) and (target := Confinement(confined_to(cfg)).target(folder)):
        raise DataError(
            f"{folder} -> {target}: DATASETS.PACKS leads out of the data; write it as an absolute path, or, where you trust "
            "its links, set DATASETS.FOLLOW_LINKS True"
        )
    return folder


def packed_files(cfg: CfgNode) -> dict[str, str]:
    """Return {absolute path: state} of the images that can be read without their files, see `portable_files`."""
    found: dict[str, str] = {}
    for key in ("SIZE_TRAIN", "SIZE_TEST") if why_not_packed(cfg) is None else ():
        size = pack_size(cfg, key)
        with suppress(DataError):  # of a folder that leads out: `build_source` says so
            if folder := pack_folder(cfg, size):
                found |= portable_files(folder, size, cfg.DATASETS.ROOT)
    return found


def why_not_packed(cfg: CfgNode) -> str | None:
    """Return why a pack cannot hold the images that INPUT asks for, in words; None where it can."""
    if cfg.INPUT.KEEP_ASPECT and cfg.INPUT.FIT != "paper":
        return f"INPUT.FIT is {cfg.INPUT.FIT}, and a pack holds images of one size, fitted on paper or stretched"
    return None


def build_source(cfg: CfgNode, key: str, samples: Sequence[Sample]) -> tuple[Callable[[str], np.ndarray], str]:
    """Choose where the images of a data set come from.

    Args:
        key: "SIZE_TRAIN" or "SIZE_TEST", the size of INPUT they are wanted at.
        samples: list of `Sample`.

    Returns:
        (function of a path -> uint8 [height, width], where they come from in words).

    Raises:
        DataError: as `pack_folder`.
    """
    decode, unpackable = build_decode(cfg, key, samples), why_not_packed(cfg)
    if unpackable:
        return decode, f"decoded each time: {unpackable}"
    size = pack_size(cfg, key)
    folder = pack_folder(cfg, size)
    if folder is None:
        return decode, "decoded each time: DATASETS.PACKS is empty"
    shards, faults = open_pack(folder, size)
    if not shards and not faults:
        return decode, f"decoded each time: no pack in {folder}; `fastpatent data pack` makes one"
    packed = PackedDrawings(shards, cfg.DATASETS.ROOT, [sample.path for sample in samples], decode)
    return packed, _describe(folder, len(samples), packed, faults)


def _describe(folder: str, drawings: int, packed: PackedDrawings, faults: list) -> str:
    """Return how many of the images come from a pack, and why the others do not."""
    found = drawings - len(packed.changed) - len(packed.absent)
    unverified = f" (not verified: {'; '.join(packed.unverified)})" if packed.unverified else ""
    parts = [f"{found} of {drawings} drawings from {folder}{unverified}"]
    for paths, fault in ((packed.absent, "not in it"), (packed.changed, "changed since they were packed")):
        if paths:
            parts.append(f"{len(paths)} {fault}, {paths[0]} first")
    parts += map(str, faults[:1])
    if len(faults) > 1:
        parts.append(f"{len(faults) - 1} more of its shards are unusable")
    if len(parts) == 1:
        return parts[0]
    return f"{'; '.join(parts)}; what is missing is decoded each time, `fastpatent data pack` repairs it"
