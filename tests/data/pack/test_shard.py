"""The files of a pack, and damages of them."""

import json
import os
import zlib

import numpy as np
import PIL
import pytest

from fastpatent.data.pack.reader import open_pack
from fastpatent.data.pack.shard import Entry, PackSize, read_index, stored_path, write_shard
from fastpatent.errors import DataError

SIZE = PackSize(3, 4, False)
NAMES = ["a/1.png", 'quote".tif', "line\nbreak.png", "日本.png", os.fsdecode(b"raw\xff.png")]


@pytest.fixture
def drawings():
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (len(NAMES), 3, 4), dtype=np.uint8)
    return [(Entry(name, 10 * n, 10**18 + n, zlib.crc32(pixels[n])), pixels[n]) for n, name in enumerate(NAMES)]


@pytest.mark.parametrize("portable", [False, True])
def test_written_and_read_back(tmp_path, drawings, portable):
    if portable:
        drawings = [(entry._replace(stamp=f"{entry.stamp:x}"), pixels) for entry, pixels in drawings]
    write_shard(tmp_path, 3, 1, SIZE, iter(drawings), portable)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00003.1.u8", "00003.json"]
    shard = read_index(tmp_path / "00003.json", SIZE)
    assert (shard.number, shard.generation, shard.pixels) == (3, 1, tmp_path / "00003.1.u8")
    assert shard.entries == [entry for entry, _ in drawings] and shard.portable == portable
    np.testing.assert_array_equal(np.fromfile(shard.pixels, np.uint8).reshape(-1, 3, 4), [pixels for _, pixels in drawings])
    lines = shard.index.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 6 and json.loads(lines[1]) == list(drawings[0][0])


def replaced(old, new):
    """Return a function that changes an index's header but not its lines."""

    def change(data):
        assert old in data.partition(b"\n")[0]
        return data.replace(old, new, 1)

    return change


def lines_of(row):
    """Return a function that replaces an index's lines by another one, with its checksum."""

    def change(data):
        header, line = json.loads(data.partition(b"\n")[0]), json.dumps(row).encode() + b"\n"
        return json.dumps({**header, "crc32": zlib.crc32(line)}).encode() + b"\n" + line

    return change


def test_an_unusable_index_is_named(tmp_path, drawings):
    for change, fault in [
        (lambda data: b"", "damaged or only half written"),
        (lambda data: data[:20], "damaged or only half written"),
        (lambda data: data[: data.index(b"\n")], "damaged or only half written"),
        (lambda data: data[: data.index(b"\n") + 1], "damaged or only half written"),
        (lambda data: data[:-30], "damaged or only half written"),
        (lambda data: data[:-1], "damaged or only half written"),
        (lambda data: data.replace(b"a/1.png", b"a/2.png"), "damaged or only half written"),
        (lambda data: b"[1]\n" + data, "damaged or only half written"),
        (lambda data: b"\xff\xfe\x00", "damaged or only half written"),
        (lambda data: b"[" * 100000, "damaged or only half written"),
        (replaced(b"00000.0.u8", b"../../x.u8"), "damaged or only half written"),
        (replaced(b'"crc32"', b'"crc33"'), "damaged or only half written"),
        (replaced(b'"version": 3', b'"version": 2'), "a pack of version 2, this program reads 3"),
        (replaced(b'"version": 3', b'"version": 4'), "damaged or only half written"),  # its stamps are times
        (replaced(PIL.__version__.encode(), b"1.0"), f"packed with Pillow 1.0, this is {PIL.__version__}"),
        (replaced(b'"height": 3', b'"height": 5'), "of another size than 3x4"),
        (replaced(b"false", b"true"), "of another size than 3x4"),
        (replaced(b'"invert": false', b'"invert": true'), "of another size than 3x4"),
        (replaced(b"bicubic", b"bilinear"), "of another size than 3x4"),
        *(
            (lines_of(row), "damaged or only half written")
            for row in ([None, 1, 1, 1], ["\0", 1, 1, 1], ["a", 1, 1, 2**32], {})
        ),
    ]:
        write_shard(tmp_path, 0, 0, SIZE, iter(drawings))
        index = tmp_path / "00000.json"
        index.write_bytes(change(index.read_bytes()))
        with pytest.raises(DataError, match=fault) as caught:
            read_index(index, SIZE)
        assert str(caught.value).startswith(f"{index}: ") and "\n" not in str(caught.value)


def test_another_filter_is_another_pack(tmp_path, drawings):
    write_shard(tmp_path, 0, 0, SIZE, iter(drawings))
    with pytest.raises(DataError, match="of another size than 3x4-bilinear"):
        read_index(tmp_path / "00000.json", SIZE._replace(interpolation="bilinear"))


def test_an_index_that_cannot_be_read(tmp_path):
    (tmp_path / "00000.json").mkdir()
    with pytest.raises(DataError, match="00000.json: the index cannot be read: Is a directory"):
        read_index(tmp_path / "00000.json", SIZE)


def test_pixels_of_another_length_are_named(tmp_path, drawings):
    for length in [0, 1, 47, 59, 61, 72]:
        write_shard(tmp_path, 0, 0, SIZE, iter(drawings))
        os.truncate(tmp_path / "00000.0.u8", length)
        shards, [fault] = open_pack(tmp_path, SIZE)
        assert not shards and str(fault) == f"{tmp_path / '00000.0.u8'}: the shard has {length} bytes instead of 60", (
            f"{length=}"
        )


def test_missing_pixels_and_missing_index(tmp_path, drawings):
    for number in range(3):
        write_shard(tmp_path, number, 0, SIZE, iter(drawings))
    (tmp_path / "00000.0.u8").unlink()
    (tmp_path / "00001.json").unlink()
    shards, [fault] = open_pack(tmp_path, SIZE)
    assert [shard.number for shard in shards] == [2]
    assert str(fault) == f"{tmp_path / '00000.0.u8'}: the shard cannot be read: No such file or directory"


def test_no_pack_and_no_folder(tmp_path):
    assert open_pack(tmp_path, SIZE) == open_pack(tmp_path / "absent", SIZE) == ([], [])
    (tmp_path / "file").write_bytes(b"")
    shards, [fault] = open_pack(tmp_path / "file", SIZE)
    assert not shards and "file: the pack cannot be read: Not a directory" in str(fault)


def test_paths_are_relative_inside_the_root():
    for path, stored in [
        ("/data/a/1.png", "a/1.png"),
        ("/database/1.png", "/database/1.png"),
        ("/x/../data/b.png", "b.png"),
    ]:
        assert stored_path(path, "/data/") == stored, f"{path=}"


def test_folders_of_packs():
    assert PackSize(256, 128, False).folder == "256x128" and PackSize(64, 64, True).folder == "64x64-aspect"
    assert PackSize(64, 64, True, "bilinear").folder == "64x64-aspect-bilinear"
    assert PackSize(64, 64, False, "bicubic", True).folder == "64x64-invert"
