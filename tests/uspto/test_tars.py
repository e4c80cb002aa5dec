"""Headers of tars: intact ones against tarfile, damaged ones by hand."""

import io
import random
import tarfile

import pytest

from fastpatent.uspto.skips import Reason
from fastpatent.uspto.tars import BLOCK, is_tar, tar_entries

LONG = "folder/" * 40 + "name"


def packed(members, format):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1.5  # a fraction of a second makes an extension header
            archive.addfile(info, io.BytesIO(data))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    return file.getvalue()


MEMBERS = {"a": b"", "b": b"x" * 511, LONG: b"y" * 513, "\u00e9/c": b"z" * 1024, "d": b"w"}


def entries(data):
    return list(tar_entries(io.BytesIO(data)))


def read(data, entry):
    return data[entry.place : entry.place + entry.size]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_entries_of_a_whole_tar_are_those_of_tarfile(format):
    members = {name: data for name, data in MEMBERS.items() if name != LONG or format != tarfile.USTAR_FORMAT}
    data = packed(members, format)
    found = entries(data)
    assert is_tar(data[:BLOCK]) and not any(entry.fault for entry in found)
    assert {entry.name: read(data, entry) for entry in found} == members
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        files = [(info.name, info.offset_data, info.size) for info in archive if info.isfile()]
    assert [entry[:3] for entry in found] == files


def test_links_and_devices_are_faults():
    file = io.BytesIO()
    kinds = {tarfile.SYMTYPE: "soft", tarfile.LNKTYPE: "hard", tarfile.FIFOTYPE: "pipe", tarfile.CHRTYPE: "device"}
    with tarfile.open(fileobj=file, mode="w") as archive:
        for kind, name in kinds.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    found = entries(file.getvalue())
    assert [(entry.name, entry.fault.reason) for entry in found] == [(name, Reason.NO_FILE) for name in kinds.values()]


@pytest.mark.parametrize("bad", [b"\xff" * BLOCK, b"no header".ljust(BLOCK, b"."), random.Random(0).randbytes(3 * BLOCK)])
def test_a_damaged_part_is_reported_and_the_rest_is_read(bad):
    data = packed(MEMBERS, tarfile.GNU_FORMAT)
    whole = entries(data)
    third = whole[2].place - 3 * BLOCK  # its header, and header and block of its long name
    found = entries(data[:third] + bad + data[third:])
    assert [entry.name for entry in found] == ["a", "b", "", LONG, "\u00e9/c", "d"]
    assert found[2].fault.reason == Reason.ARCHIVE and f"bytes {third:,} to {third + len(bad):,} " in found[2].fault.detail
    assert read(data[:third] + bad + data[third:], found[3]) == MEMBERS[LONG]


def test_a_damaged_header_loses_its_own_member_only():
    data = bytearray(packed({"a": b"1" * 600, "b": b"2" * 600, "c": b"3" * 600}, tarfile.USTAR_FORMAT))
    data[3 * BLOCK + 5] ^= 1
    assert [entry.name for entry in entries(bytes(data))] == ["a", "", "c"]


def test_every_cut_is_reported():
    data = packed({"a": b"1" * 600, "b": b"2" * 600}, tarfile.USTAR_FORMAT)
    last = 7 * BLOCK  # two files of three blocks, a folder of one
    for end in range(BLOCK, last, 100):
        found = entries(data[:end])
        assert any(entry.fault for entry in found)
        whole = [read(data[:end], entry) for entry in found if entry.name and not entry.fault]
        assert whole == [b"1" * 600, b"2" * 600][: len(whole)]
    assert not any(entry.fault for entry in entries(data[: last + BLOCK]))


def test_false_sizes_do_not_loop():
    for size in [-1, -BLOCK, -(2**40), 2**62]:
        info = tarfile.TarInfo("false")
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        header[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        good = packed({"a": b"1"}, tarfile.USTAR_FORMAT)
        found = entries(bytes(header) + good)
        assert found[0].fault, f"{size=}"
        assert [entry.name for entry in found if not entry.fault] == (["a"] if size < 0 else []), f"{size=}"


def test_an_endless_name_is_not_read(monkeypatch):
    """A header declares a name of 8 GB, and 1 GB of it exists: at most NAME_BYTES are read."""

    class Endless(io.BytesIO):
        largest = 0

        def read(self, count):
            Endless.largest = max(Endless.largest, count)
            return super().read(count)

    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**30
    list(tar_entries(Endless(info.tobuf(tarfile.GNU_FORMAT) + b"n" * 2**18)))
    assert Endless.largest == 2**16


def test_bytes_of_no_tar():
    for data in [b"", b"PK\3\4" + bytes(600), b"\0" * BLOCK, b"text " * 200]:
        assert not is_tar(data[:BLOCK]), f"{data=}"
