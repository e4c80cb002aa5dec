"""Where the pixels of an image come from: a pack, if there is one that fits, or its own file."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image
from yacs.config import CfgNode

from fastpatent.data.image import MOST_PIXELS, black_on_white, inverts, open_drawing
from fastpatent.data.pack.place import pack_folder, pack_size, why_not_packed
from fastpatent.data.pack.reader import PackedDrawings, open_pack
from fastpatent.data.records import Sample
from fastpatent.data.transforms import build_resize


class DecodedDrawings:
    """Images read from their files each time, or taken from memory.

    Args:
        resize: function of a PIL image of mode L -> PIL image of mode L, see `build_resize`.
        invert, most: see `read_drawing`.
        given: {path: PIL image of mode L, or function that reads it} of those that are no file, see `Sample`.
    """

    def __init__(
        self,
        resize: Callable[[Image.Image], Image.Image],
        invert: bool = False,
        most: int = MOST_PIXELS,
        given: Mapping[str, Image.Image | Callable[[bool, int], Image.Image]] | None = None,
    ) -> None:
        self.resize, self.invert, self.most, self.given = resize, invert, most, given or {}

    def __call__(self, path: str) -> np.ndarray:
        """Return the image as uint8 [height, width], 0 ink .. 255 paper; DataError where it cannot be read."""
        given = self.given.get(path)
        if given is None:
            image = open_drawing(path, invert=self.invert, most=self.most)
        elif callable(given):
            image = given(self.invert, self.most)
        else:
            image = black_on_white(given) if self.invert else given
        return np.asarray(self.resize(image))


def build_decode(cfg: CfgNode, key: str, samples: Sequence[Sample] = ()) -> DecodedDrawings:
    """Return the DecodedDrawings of INPUT, at the size INPUT.<key>, with those of the samples that are no file."""
    given = {sample.path: sample.image for sample in samples if sample.image is not None}
    return DecodedDrawings(build_resize(cfg, key), inverts(cfg), cfg.INPUT.MAX_PIXELS, given)


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
