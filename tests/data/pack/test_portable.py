"""Portable packs: read without files and with another Pillow; what was not verified is said; never wrong pixels."""

import json
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from fastpatent.data.image_source import build_source
from fastpatent.data.load_datasets import load_test_set, load_training_set
from fastpatent.data.pack.place import packed_files
from fastpatent.data.pack.reader import portable_files
from fastpatent.device import choose_device
from fastpatent.errors import DataError
from fastpatent.evaluation.cache_key import feature_origin
from fastpatent.files import sha256_of


@pytest.fixture
def portable(unwritten):
    """A complete SmallPack that is portable."""
    report = unwritten.write(portable=True)
    assert (report.added, report.unreadable) == (48, [])
    return unwritten


def make_of_another_pillow(pack):
    for index in pack.folder.glob("*.json"):
        index.write_bytes(index.read_bytes().replace(f'"pillow": "{PIL.__version__}"'.encode(), b'"pillow": "1.0"', 1))


def change(path):
    """Replace the pixels of an uncompressed file without changing its size or time."""
    status = os.stat(path)
    data = bytearray(Path(path).read_bytes())
    data[-1] ^= 1
    Path(path).write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_it_is_read_without_any_file_and_with_another_pillow(portable):
    truth = {path: portable.truth(path) for path in portable.paths}
    for path in portable.paths[:40]:
        os.unlink(path)
    for path in portable.paths[40:]:
        os.utime(path, ns=(0, 0))  # copied without its time
    make_of_another_pillow(portable)
    packed, faults = portable.open()
    assert not (faults or packed.absent or packed.changed)
    assert all(np.array_equal(packed(path), pixels) for path, pixels in truth.items())
    alone, by_size, pillow = packed.unverified
    assert alone.startswith("40 have no file here") and by_size.startswith("8 were compared with their files by size alone")
    assert pillow == f"decoded with Pillow 1.0, this is {PIL.__version__}, which may round otherwise"


def test_a_plain_pack_is_neither(pack):
    make_of_another_pillow(pack)
    assert len(pack.open(decode=pack.truth)[1]) == 10
    assert not portable_files(pack.folder, pack.size, pack.root)


def test_its_stamps_are_digests_and_verifying_compares_them(portable):
    states = portable_files(portable.folder, portable.size, portable.root)
    assert list(states) == portable.paths
    assert all(state.split()[1] == sha256_of(path) for path, state in states.items())
    before = portable.files()
    for path in portable.paths:
        os.utime(path, ns=(0, 0))
    assert portable.write().kept == 48 and portable.files() == before  # stays portable, without being asked again
    change(portable.paths[7])
    portable.decode = lambda path: np.full((24, 20), 9, np.uint8)
    os.unlink(portable.paths[8])
    report = portable.write()
    assert (report.kept, report.repaired, report.alone, report.unreadable) == (47, 1, 1, [])
    packed = portable.open()[0]
    assert (packed(portable.paths[7]) == 9).all() and not (packed(portable.paths[8]) == 9).all()


def test_a_pack_becomes_portable_and_keeps_what_has_no_file(pack):
    truth = {path: pack.truth(path) for path in pack.paths}
    os.unlink(pack.paths[2])
    report = pack.write(portable=True)
    assert (report.kept, report.repaired, report.added) == (1, 47, 0)
    assert report.unreadable == [f"{pack.paths[2]}: No such file or directory"]
    packed, faults = pack.open()
    assert not faults and all(np.array_equal(packed(path), pixels) for path, pixels in truth.items())
    states = portable_files(pack.folder, pack.size, pack.root)
    assert [path for path, state in states.items() if not state.split(" ")[1]] == [pack.paths[2]]


def test_a_file_that_returns_other_is_read_and_a_damage_is_named(portable):
    Image.new("L", (30, 30), 7).save(portable.paths[3])
    asked = []
    packed, _ = portable.open(decode=asked.append)
    packed(portable.paths[3])
    assert packed.changed == asked == [portable.paths[3]]
    with open(portable.folder / "00001.0.u8", "r+b") as file:
        file.write(b"\x99" * 480)
    with pytest.raises(DataError, match="are damaged"):
        portable.open()[0](portable.paths[5])


def test_paths_that_lead_out_stand_for_no_file(portable, tmp_path):
    """The index of a pack from elsewhere may name anything."""
    index = portable.folder / "00000.json"
    lines = index.read_text().replace("train_data/", "../../x_data/")
    header, _, rest = lines.partition("\n")
    index.write_text(json.dumps({**json.loads(header), "crc32": zlib.crc32(rest.encode())}) + "\n" + rest)
    states = portable_files(portable.folder, portable.size, portable.root)
    assert list(states) == portable.paths[5:]


@pytest.mark.parametrize("name", ["Patent", "Drawings"])
def test_data_sets_need_no_files(portable, patent_cfg, name):
    """Lists and folders, the samples and their pixels, and the key of cached features, which follows the pack."""
    cfg = patent_cfg
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = [24, 20]
    cfg.DATASETS.NAMES = cfg.DATASETS.TESTS = (name,)
    before = load_training_set(cfg), load_test_set(cfg, name)
    truth = {sample.path: portable.truth(sample.path) for sample in before[0]}
    for path in portable.paths:
        os.unlink(path)
    assert sorted(packed_files(cfg)) == portable.paths
    found = load_training_set(cfg), load_test_set(cfg, name)
    assert found[0] == before[0] and (found[1].query, found[1].gallery) == (before[1].query, before[1].gallery)
    source, reason = build_source(cfg, "SIZE_TRAIN", found[0])
    assert f"(not verified: {len(found[0])} have no file here to compare with)" in reason
    assert all(np.array_equal(source(path), pixels) for path, pixels in truth.items())
    cfg.MODEL.WEIGHTS = __file__
    splits, device = found[1], choose_device("cpu").device
    keys = [feature_origin(cfg, splits, device)["drawings"]["sha256"] for _ in range(2)]
    Image.new("L", (30, 30), 7).save(splits.query[0].path)
    assert portable.write().repaired == 1
    os.unlink(splits.query[0].path)
    keys.append(feature_origin(cfg, splits, device)["drawings"]["sha256"])
    assert keys[0] == keys[1] != keys[2]
    shutil.rmtree(portable.folder)
    with pytest.raises(FileNotFoundError):
        feature_origin(cfg, splits, device)
