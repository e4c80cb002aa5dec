"""Reading drawings from a pack: the correct pixels or an error, never wrong pixels."""

import os
import pickle
import re

import numpy as np
import pytest
from PIL import Image

from fastpatent.errors import DataError


def flip(path, offset):
    """Invert one byte of a file, leaving its size and time."""
    status = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x01]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_every_drawing_equals_its_file(pack):
    pack.assert_whole()
    drawing = pack.open()[0](pack.paths[0])
    assert drawing.dtype == np.uint8 and drawing.shape == (24, 20) and not drawing.flags.writeable


def test_it_can_be_sent_to_a_spawned_process(pack):
    packed, _ = pack.open()
    pickled = pickle.dumps(packed)
    assert len(pickled) < 48 * 300  # paths and places, no pixels
    copy = pickle.loads(pickled)
    assert all(np.array_equal(copy(path), packed(path)) for path in pack.paths)


def test_a_flipped_byte_is_named_and_the_others_are_read(pack):
    shard = pack.folder / "00001.0.u8"
    flip(shard, 2 * 480 + 100)
    packed, faults = pack.open()
    assert not faults
    damaged = pack.paths[7]
    expected = f"{shard}: the packed pixels of {damaged} are damaged; `fastpatent data pack` repairs it"
    for _ in range(2):
        with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
            packed(damaged)
    for path in pack.paths:
        if path != damaged:
            np.testing.assert_array_equal(packed(path), pack.truth(path))


def test_no_flipped_byte_of_an_index_gives_a_wrong_drawing(pack):
    index = pack.folder / "00002.json"
    whole, wrong = index.read_bytes(), 0
    truth = {path: pack.truth(path) for path in pack.paths[10:15]}
    header = whole.index(b"\n")
    for offset in [*range(header + 1), *range(header + 1, len(whole), 7)]:  # all bytes of a line have the same checksum
        flip(index, offset)
        packed, faults = pack.open(decode=pack.truth)
        for path, expected in truth.items():
            try:
                np.testing.assert_array_equal(packed(path), expected)
            except DataError:
                wrong += 1  # pixels of another shard, detected by their checksum
        index.write_bytes(whole)
    assert wrong < 5 * 12


def rewrite(path):
    """Replace a file by another drawing of the same size, with a time one nanosecond later."""
    status = os.stat(path)
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    with open(path, "r+b") as file:
        file.truncate(status.st_size) if os.path.getsize(path) > status.st_size else file.seek(0, 2)
        file.write(bytes(status.st_size - os.path.getsize(path)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def lengthen(path):
    """Append a byte without changing the time."""
    status = os.stat(path)
    with open(path, "ab") as file:
        file.write(b"\0")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [rewrite, lengthen, os.unlink])
def test_a_changed_file_is_read_instead_of_the_pack(pack, change):
    change(pack.paths[3])
    asked = []
    packed, _ = pack.open(decode=asked.append)
    assert packed.changed == [pack.paths[3]] and not packed.absent
    for path in pack.paths:
        packed(path)
    assert asked == [pack.paths[3]]


def test_a_drawing_that_was_never_packed_is_decoded(pack, write_drawing, tmp_path):
    path = str(write_drawing(tmp_path / "train_data/patent_data/new.png", 99))
    pack.paths.append(path)
    packed, _ = pack.open(decode=pack.truth)
    assert packed.absent == [path]
    np.testing.assert_array_equal(packed(path), pack.truth(path))


def test_paths_may_be_relative_and_the_root_may_move(pack, monkeypatch):
    moved = pack.root.with_name("moved")
    pack.root.rename(moved)
    monkeypatch.chdir(moved)
    pack.root, pack.folder = ".", moved / "packs" / pack.size.folder
    pack.paths = sorted(str(path) for path in moved.rglob("*.png"))
    pack.assert_whole()
    pack.paths = [os.path.relpath(path, moved) for path in pack.paths]
    pack.assert_whole()


def test_an_open_pack_is_unchanged_while_it_is_repaired(pack):
    packed, _ = pack.open()
    before = {path: packed(path).copy() for path in pack.paths}
    rewrite(pack.paths[3])
    pack.decode = lambda path: np.zeros((24, 20), np.uint8)
    assert pack.write().repaired == 1 and not (pack.folder / "00000.0.u8").exists()
    assert all(np.array_equal(packed(path), before[path]) for path in pack.paths)
