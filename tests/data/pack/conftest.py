"""A small pack, its expected contents, and ways to read it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastpatent.data.image_source import DecodedDrawings
from fastpatent.data.pack.reader import PackedDrawings, open_pack
from fastpatent.data.pack.shard import PackSize
from fastpatent.data.pack.write import write_pack
from fastpatent.data.transforms import build_resize


class SmallPack:
    """The 48 drawings of `patent_root`, five per shard."""

    size = PackSize(24, 20, False)

    def __init__(self, root, decode):
        self.root, self.decode = root, decode
        self.folder = root / "packs" / self.size.folder
        self.paths = sorted(map(str, root.rglob("*.png")))

    def write(self, paths=None, **settings):
        """Return the PackReport of `write_pack`."""
        given = {"shard_drawings": 5, **settings}
        return write_pack(self.folder, self.size, self.root, self.paths if paths is None else paths, self.decode, **given)

    def open(self, decode=None):
        """Return (PackedDrawings, faults); without `decode`, reading a drawing that is not packed fails."""
        shards, faults = open_pack(self.folder, self.size)
        return PackedDrawings(shards, self.root, self.paths, decode or refuse), faults

    def truth(self, path):
        """Decode and resize with PIL only."""
        with Image.open(path) as image:
            return np.asarray(image.convert("L").resize((self.size.width, self.size.height), Image.Resampling.BICUBIC))

    def assert_whole(self):
        """Assert that every drawing is in the pack and correct."""
        packed, faults = self.open()
        assert not faults and not packed.changed and not packed.absent
        for path in self.paths:
            np.testing.assert_array_equal(packed(path), self.truth(path))

    def files(self):
        """{name: bytes} of all files in the folder except the lock."""
        return {path.name: path.read_bytes() for path in Path(self.folder).iterdir() if path.name != ".lock"}


def refuse(path):
    raise AssertionError(f"{path} is not read from the pack")


@pytest.fixture
def unwritten(patent_cfg, patent_root):
    """A SmallPack without any files yet."""
    return SmallPack(patent_root, DecodedDrawings(build_resize(patent_cfg, "SIZE_TRAIN")))


@pytest.fixture
def pack(unwritten):
    """A complete SmallPack."""
    unwritten.write()
    return unwritten
