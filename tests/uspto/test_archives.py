"""Members found in weekly archives, and their bytes against those packed."""

import os
import tarfile
from zipfile import ZipInfo

import pytest

from fastpatent.errors import DataError
from fastpatent.uspto.archives import Member, is_zip, read_member, scan_archive
from fastpatent.uspto.skips import Reason, Refused
from tests.uspto.weeks import LIMIT, member_name, name_of, week, write_tar, write_zip

OLD = f"project/pdds/ICEwithdraw/I20210105/DESIGN/{name_of(3)}.ZIP"
OTHERS = (
    "I20210105/UTIL10881/US10881042-20210105.ZIP",
    "I20210105/PLANT/USPP032711-20210105.ZIP",
    "I20210105/DTDS/DTDS.zip",
)


def scanned(path, limit=LIMIT):
    found = list(scan_archive(path, limit))
    return [one for one in found if isinstance(one, Member)], [one for one in found if not isinstance(one, Member)]


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_design_patents_of_old_and_new_archives(tmp_path, write):
    packed = {
        **week([1, 2]),
        OLD: b"3",
        f"{name_of(4).lower()}.zip": b"4",
        f"DESIGN\\{name_of(5)}.ZIP": b"5",
        **{name: b"" for name in OTHERS},
    }
    members, skips = scanned(write(tmp_path / "I20210105", packed))
    assert [member.patent for member in members] == [name_of(number) for number in (1, 2, 3, 4, 5)]
    assert [(skip.reason, skip.member) for skip in skips] == [(Reason.NO_DESIGN, name) for name in OTHERS]
    for member in members[::-1]:
        assert read_member(member, LIMIT) == packed[member.name] and member.size == len(packed[member.name])


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_unsafe_names_and_large_members_are_skipped(tmp_path, write):
    large = member_name(2)
    packed = {f"../../{name_of(1)}.ZIP": b"1", "/etc/passwd": b"2", large: bytes(101), member_name(3): bytes(100)}
    members, skips = scanned(write(tmp_path / "week", packed), limit=100)
    assert [member.name for member in members] == [member_name(3)]
    assert [(skip.reason, skip.member) for skip in skips] == [
        (Reason.UNSAFE, f"../../{name_of(1)}.ZIP"),
        (Reason.UNSAFE, "/etc/passwd"),
        (Reason.LARGE, large),
    ]


def test_names_are_shown_in_one_line_without_control_characters(tmp_path):
    name = "../\x1b[2J\n" + "n" * 1000
    (skip,) = scanned(write_tar(tmp_path / "week", {name: b""}))[1]
    assert skip.member.startswith("../\\x1b[2J\\nnnn") and skip.member.isprintable() and len(skip.member) < 400


@pytest.mark.parametrize("write, name", [(write_tar, ""), (write_zip, ZipInfo(""))])
def test_a_member_without_a_name_is_no_design(tmp_path, write, name):
    members, (skip,) = scanned(write(tmp_path / "week", {name: b"1", **week([2])}))
    assert skip.reason == Reason.NO_DESIGN and [member.name for member in members] == [member_name(2)]


def test_links_named_as_patents_are_skipped(tmp_path):
    link = tarfile.TarInfo(member_name(1))
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    members, (skip,) = scanned(write_tar(tmp_path / "week", {"link": link, **week([2])}))
    assert skip == (Reason.NO_FILE, member_name(1), "it is a link or a device") and len(members) == 1


def test_a_tar_that_is_cut_short_is_read_up_to_there(tmp_path):
    path = write_tar(tmp_path / "week", week([1, 2, 3]))
    first, second, third = scanned(path)[0]
    os.truncate(path, third.place + 10)
    members, skips = scanned(path)
    assert members == [first, second] and [skip.reason for skip in skips] == [Reason.DAMAGED, Reason.ARCHIVE]
    os.truncate(path, second.place + 10)  # after it was scanned
    with pytest.raises(Refused, match="truncated"):
        read_member(second, LIMIT)


def test_a_zip_without_its_end_is_reported(tmp_path):
    path = write_zip(tmp_path / "week", week([1, 2]))
    os.truncate(path, path.stat().st_size - 30)
    members, (skip,) = scanned(path)
    assert not members and skip.reason == Reason.ARCHIVE and "not a complete ZIP file" in skip.detail


def test_a_zip_at_the_end_of_a_tar_does_not_make_it_one(tmp_path):
    path = write_tar(tmp_path / "week", week([1]))
    with open(path, "r+b") as file:
        file.truncate(scanned(path)[0][0].place + scanned(path)[0][0].size)
    assert not is_zip(path) and len(scanned(path)[0]) == 1


def test_an_archive_that_has_changed_is_opened_anew(tmp_path):
    path = tmp_path / "week"
    for number in (1, 2):
        write_zip(path, {member_name(1): b"%d" % number})
        os.utime(path, ns=(number, number))
        assert read_member(scanned(path)[0][0], LIMIT) == b"%d" % number


@pytest.mark.parametrize("write, suffix, faults", [(write_tar, ".tar", 1), (write_zip, ".ZIP", 0)])
def test_where_the_first_bytes_are_damaged_the_name_decides(tmp_path, write, suffix, faults):
    packed = week([1, 2])
    path = write(tmp_path / f"week{suffix}", packed)
    with open(path, "r+b") as file:
        file.write(b"XX")
    assert is_zip(path) == (suffix == ".ZIP")
    members, skips = scanned(path)
    assert [skip.reason for skip in skips] == [Reason.ARCHIVE] * faults
    readable = []
    for member in members:
        try:
            readable.append((member.name, read_member(member, LIMIT)))
        except Refused as refused:
            assert refused.reason == Reason.DAMAGED
    assert readable == [(member_name(2), packed[member_name(2)])]


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(DataError, match="week: the archive cannot be read: No such file"):
        list(scan_archive(tmp_path / "week", LIMIT))


def test_designs_whose_names_have_another_form_are_named(tmp_path):
    names = ["DESIGN/USD907292-20210105.ZIP", f"i20210105-supp/{name_of(1).lower()}-supp.zip"]
    members, skips = scanned(write_tar(tmp_path / "week", {**dict.fromkeys(names, b""), **week([2])}))
    assert [(skip.reason, skip.member) for skip in skips] == [(Reason.NAME, name) for name in names] and len(members) == 1
