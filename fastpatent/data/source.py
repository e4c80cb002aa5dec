"""Where the pixels of a drawing come from: a pack, if there is one that fits, or its own file."""

import os

import numpy as np

from fastpatent.data.image import open_drawing
from fastpatent.data.pack.reader import PackedDrawings, open_pack
from fastpatent.data.pack.shard import PackSize
from fastpatent.data.transforms import build_resize


class DecodedDrawings:
    """Drawings read from their files each time.

    Args:
        resize: function of a PIL image of mode L -> PIL image of mode L, see `build_resize`.
    """

    def __init__(self, resize):
        self.resize = resize

    def __call__(self, path):
        """Return the drawing as uint8 [height, width], 0 ink .. 255 paper; DataError where it cannot be read."""
        return np.asarray(self.resize(open_drawing(path)))


def pack_size(cfg, key):
    """Return the PackSize of INPUT.<key>, "SIZE_TRAIN" or "SIZE_TEST"."""
    return PackSize(*cfg.INPUT[key], cfg.INPUT.KEEP_ASPECT, cfg.INPUT.INTERPOLATION)


def pack_folder(cfg, size):
    """Return the folder of the pack of one PackSize, or None where DATASETS.PACKS is empty."""
    packs = cfg.DATASETS.PACKS
    return os.path.join(cfg.DATASETS.ROOT, packs, size.folder) if packs else None


def why_not_packed(cfg):
    """Return why a pack cannot hold the drawings that INPUT asks for, in words; None where it can."""
    if cfg.INPUT.KEEP_ASPECT and cfg.INPUT.FIT != "paper":
        return f"INPUT.FIT is {cfg.INPUT.FIT}, and a pack holds drawings of one size, fitted on paper or stretched"
    return None


def build_source(cfg, key, samples):
    """Choose where the drawings of a data set come from.

    Args:
        key: "SIZE_TRAIN" or "SIZE_TEST", the size of INPUT they are wanted at.
        samples: list of `Sample`.

    Returns:
        (function of a path -> uint8 [height, width], what a run says about it).
    """
    decode, unpackable = DecodedDrawings(build_resize(cfg, key)), why_not_packed(cfg)
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


def _describe(folder, drawings, packed, faults):
    """Say how many of the drawings come from a pack, and why the others do not."""
    found = drawings - len(packed.changed) - len(packed.absent)
    parts = [f"{found} of {drawings} drawings from {folder}"]
    for paths, fault in ((packed.absent, "not in it"), (packed.changed, "changed since they were packed")):
        if paths:
            parts.append(f"{len(paths)} {fault}, {paths[0]} first")
    parts += map(str, faults[:1])
    if len(faults) > 1:
        parts.append(f"{len(faults) - 1} more of its shards are of no use")
    if len(parts) == 1:
        return parts[0]
    return f"{'; '.join(parts)}; what is missing is decoded each time, `fastpatent data pack` repairs it"
