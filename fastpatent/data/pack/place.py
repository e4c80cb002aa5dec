"""Which packs a configuration uses, where they lie, and which images need no file because a portable pack has them."""

import os
from contextlib import suppress

from yacs.config import CfgNode

from fastpatent.data.confinement import Confinement, confined_to
from fastpatent.data.image import inverts
from fastpatent.data.pack.reader import portable_files
from fastpatent.data.pack.shard import PackSize
from fastpatent.errors import DataError


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
