"""Creating, completing and repairing a pack; after any fault, the next run ends with a correct one."""

import errno
import os
import shutil
import stat
from collections import namedtuple

import numpy as np
import pytest

from fastpatent.data.pack import write as write_module
from fastpatent.data.pack.shard import PackSize
from fastpatent.errors import DataError


def counts(report):
    return report.kept, report.repaired, report.added


@pytest.mark.parametrize("workers", [0, 2])
def test_everything_is_packed_once(unwritten, workers):
    asked = []
    report = unwritten.write(workers=workers)
    assert counts(report) == (0, 0, 48) and report.drawings == 48 and not report.replaced and not report.unreadable
    unwritten.assert_whole()
    assert sorted(unwritten.files()) == sorted(
        [f"{number:05d}.{suffix}" for number in range(10) for suffix in ("json", "0.u8")]
    )
    before = unwritten.files()
    unwritten.decode = asked.append
    report = unwritten.write()
    assert counts(report) == (48, 0, 0) and not asked and unwritten.files() == before


def test_355000_drawings_of_256_pixels_stay_under_24_gigabytes(unwritten):
    """With paths as long as the challenge's: the measured size of the index plus that of the pixels."""
    unwritten.size = PackSize(64, 64, True)
    unwritten.decode = lambda path: np.zeros((64, 64), np.uint8)
    unwritten.write(shard_drawings=48)
    taken = sum(map(len, unwritten.files().values())) / 48
    assert 64 * 64 < taken < 64 * 64 + 200
    assert 355_000 * (256 * 256 + taken - 64 * 64) < 23.4e9


def test_the_order_and_repetition_of_paths_do_not_matter(unwritten):
    unwritten.write()
    before = unwritten.files()
    shutil.rmtree(unwritten.folder)
    unwritten.write(paths=unwritten.paths[::-1] + unwritten.paths[5:9])
    assert unwritten.files() == before


def test_further_drawings_are_added_to_a_pack(unwritten):
    assert counts(unwritten.write(paths=unwritten.paths[20:])) == (0, 0, 28)
    assert counts(unwritten.write(paths=unwritten.paths[:30])) == (28, 0, 20)
    assert counts(unwritten.write(paths=[])) == (48, 0, 0)
    unwritten.assert_whole()


def test_a_file_cut_short_or_lost_is_repaired(pack):
    lengths = {"u8": (None, 0, 700, 2399), "json": (None, 0, 60, 300)}
    for name, left in [(name, left) for name, many in lengths.items() for left in many]:
        shutil.rmtree(pack.folder)
        pack.write()
        before = pack.files()
        path = pack.folder / f"00004.{'0.u8' if name == 'u8' else 'json'}"
        path.unlink() if left is None else os.truncate(path, left)
        whole = 43 + (left // 480 if name == "u8" and left else 0)
        report = pack.write()
        assert counts(report) == ((whole, 48 - whole, 0) if name == "u8" else (43, 0, 5)), f"{name=}, {left=}"
        assert len(report.replaced) == (name == "json" and left is not None) and not report.unreadable, f"{name=}, {left=}"
        pack.assert_whole()
        if name == "json":
            assert pack.files() == before, f"{name=}, {left=}"
        else:
            assert "00004.1.u8" in pack.files() and "00004.0.u8" not in pack.files(), f"{name=}, {left=}"
        assert counts(pack.write()) == (48, 0, 0), f"{name=}, {left=}"


def test_flipped_bytes_and_changed_files_are_decoded_again(pack, write_drawing):
    for offset in (0, 480 * 3 - 1):
        with open(pack.folder / "00004.0.u8", "r+b") as file:
            file.seek(offset)
            byte = file.read(1)
            file.seek(offset)
            file.write(bytes([byte[0] ^ 128]))
    write_drawing(pack.root / os.path.relpath(pack.paths[13], pack.root), 200)
    asked = []
    decode = pack.decode
    pack.decode = lambda path: asked.append(path) or decode(path)
    assert counts(pack.write()) == (45, 3, 0)
    assert asked == [pack.paths[13], pack.paths[20], pack.paths[22]]
    pack.assert_whole()
    assert counts(pack.write()) == (48, 0, 0)


def test_shards_of_another_version_or_size_are_replaced(pack):
    index = pack.folder / "00003.json"
    index.write_bytes(index.read_bytes().replace(b'"version": 3', b'"version": 1'))
    index = pack.folder / "00005.json"
    index.write_bytes(index.read_bytes().replace(b'"height": 24', b'"height": 48'))
    report = pack.write()
    assert counts(report) == (38, 0, 10) and ["version 1" in text for text in report.replaced] == [True, False]
    pack.assert_whole()


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_drawings_are_named_and_the_others_packed(unwritten, workers):
    broken = unwritten.paths[2::9]
    for path in broken:
        os.truncate(path, 40)
    os.unlink(unwritten.paths[10])
    report = unwritten.write(workers=workers)
    assert counts(report) == (0, 0, 48 - len(broken) - 1)
    assert [sentence.split(": ")[0] for sentence in report.unreadable] == sorted([*broken, unwritten.paths[10]])
    assert f"{unwritten.paths[10]}: No such file or directory" in report.unreadable
    unwritten.paths = [path for path in unwritten.paths if path not in broken and path != unwritten.paths[10]]
    unwritten.assert_whole()
    assert len(unwritten.files()) == 2 * -(-len(unwritten.paths) // 5)
    before = unwritten.files()
    assert counts(unwritten.write()) == (len(unwritten.paths), 0, 0) and unwritten.files() == before


def test_a_packed_drawing_that_became_unreadable_leaves_the_pack(pack):
    for path in (*pack.paths[:5], pack.paths[7]):
        with open(path, "wb") as file:
            file.write(b"no drawing")
    report = pack.write()
    assert counts(report) == (42, 0, 0) and len(report.unreadable) == 6
    assert "00000.json" not in pack.files() and "00000.0.u8" not in pack.files()
    del pack.paths[7], pack.paths[:5]
    pack.assert_whole()


def test_a_packed_drawing_whose_file_is_gone_stays_and_is_named_where_it_is_requested(pack):
    for path in pack.paths[5:7]:
        os.rename(path, f"{path}.away")
    before = pack.files()
    report = pack.write(paths=pack.paths[:6])
    assert counts(report) == (48, 0, 0) and report.unreadable == [f"{pack.paths[5]}: No such file or directory"]
    assert pack.files() == before
    for path in pack.paths[5:7]:
        os.rename(f"{path}.away", path)
    pack.assert_whole()


def test_files_of_a_killed_run_are_removed_and_other_files_are_not(pack):
    before = pack.files()
    for name in (".0123456789abcdef.00010.0.u8", ".0123456789abcdef.00010.json", "00010.0.u8", "00003.7.u8"):
        (pack.folder / name).write_bytes(b"half")
    for name in ("notes.txt", ".hidden", "00010.0.u8.bak"):
        (pack.folder / name).write_bytes(b"a person's")
    pack.write()
    assert set(pack.files()) == {*before, "notes.txt", ".hidden", "00010.0.u8.bak"}
    pack.assert_whole()


@pytest.mark.parametrize("files_before", range(8))
def test_a_full_disk_leaves_nothing_half_written_that_counts(unwritten, monkeypatch, files_before):
    """Files are flushed to the disk in this order: pixels, index, pixels, index."""
    flushed, fsync = [], os.fsync

    def flush(file):
        if stat.S_ISREG(os.fstat(file).st_mode):  # their folder is flushed, too
            if len(flushed) == files_before:
                raise OSError(errno.ENOSPC, "No space left on device")
            flushed.append(file)
        fsync(file)

    monkeypatch.setattr("fastpatent.files.os.fsync", flush)
    with pytest.raises(OSError) as caught:
        unwritten.write()
    number = files_before // 2
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(unwritten.folder / f"{number:05d}.{'json' if files_before % 2 else '0.u8'}")
    packed, faults = unwritten.open(decode=unwritten.truth)
    assert not faults and len(packed.absent) == 48 - 5 * number
    assert not [name for name in unwritten.files() if name.startswith(".")]
    monkeypatch.undo()
    assert counts(unwritten.write()) == (5 * number, 0, 48 - 5 * number)
    unwritten.assert_whole()


def test_pixels_with_more_bytes_than_the_index_has_drawings_are_repaired(pack):
    with open(pack.folder / "00001.0.u8", "ab") as file:
        file.write(b"more")
    assert len(pack.open(decode=pack.truth)[1]) == 1
    pack.write()
    pack.assert_whole()


def test_a_repair_that_fails_leaves_the_shard_as_it_was(pack, monkeypatch):
    os.utime(pack.paths[0])
    before = pack.files()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fastpatent.files.os.fsync", full)
    with pytest.raises(OSError):
        pack.write()
    assert pack.files() == before


def test_a_disk_too_small_is_reported_before_packing(unwritten, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(write_module.shutil, "disk_usage", lambda _: usage(10**9, 10**9, 48 * 480))
    with pytest.raises(DataError, match=r"^.*/24x20: packing takes 0\.0 MB, the disk has 0\.0 MB free$"):
        unwritten.write()
    assert unwritten.files() == {}
    monkeypatch.setattr(write_module.shutil, "disk_usage", lambda _: usage(10**9, 10**9, 48 * 480 + 48 * 200))
    unwritten.write()
    monkeypatch.setattr(write_module.shutil, "disk_usage", lambda _: usage(10**9, 10**9, 0))
    assert counts(unwritten.write()) == (48, 0, 0)


def test_a_file_in_place_of_the_folder_is_refused(unwritten):
    (unwritten.root / "packs").write_bytes(b"")
    with pytest.raises(DataError, match="a part of this path is a file"):
        unwritten.write()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_to(pack):
    for folder in (pack.folder, pack.folder.parent):
        folder.chmod(0o500)
    try:
        os.utime(pack.paths[0])
        with pytest.raises(PermissionError) as caught:
            pack.write()
        assert str(pack.folder) in caught.value.filename
    finally:
        for folder in (pack.folder.parent, pack.folder):
            folder.chmod(0o700)


def test_progress_is_reported(pack):
    calls = []

    def progress(title, results, number):
        calls.append([title, number, 0])
        for result in results:
            calls[-1][2] += 1
            yield result

    os.utime(pack.paths[0])
    pack.write(progress=progress)
    assert calls == [["verifying shards", 10, 10], ["packing", 1, 1]]
