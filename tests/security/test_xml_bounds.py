"""Patents made to exhaust time, memory or disk: refused in a moment, recorded, and not met again."""

import io
import os
import struct
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from fastpatent.errors import DataError
from fastpatent.uspto import patent as patent_module
from fastpatent.uspto.archives import Member
from fastpatent.uspto.build import build_dataset
from fastpatent.uspto.extended import write_extended_list
from fastpatent.uspto.journal import LONGEST
from fastpatent.uspto.patent_xml import read_patent_xml
from fastpatent.uspto.safe_xml import DEPTH, ELEMENTS, TEXT
from fastpatent.uspto.sheets import sheet_to_png
from fastpatent.uspto.skips import Reason, Refused
from fastpatent.uspto.tars import NAME_BYTES, tar_entries
from fastpatent.uspto.zips import open_zip, unzip_member
from tests.uspto.weeks import LIMIT, contents, contents_before_2005, member_name, name_of, tif, week, write_tar, xml, zipped

PATENT = name_of(1)
NEW, OLD = xml(1), contents_before_2005(1, "Kettle", False)[f"{PATENT}.XML"]


def described(text):
    section = b"<description><description-of-drawings>%b</description-of-drawings></description>" % text
    return NEW.replace(b"<drawings>", section + b"<drawings>")


def nested(tag, depth, text):
    return b"<%b>" % tag * depth + text + b"</%b>" % tag * depth


CITED = b"<patcit><document-id>%b</document-id></patcit>"
ATTACKS = {
    "paragraphs": (described(nested(b"p", 4000, b"x" * 10**5)), "elements more than 100 deep"),
    "PARA": (OLD.replace(b"<PARA>", b"<PARA>" * 4000 + b"x").replace(b"</PARA>", b"</PARA>" * 4000), "more than 100 deep"),
    "citations": (NEW.replace(b"</us-bib", nested(b"patcit", 4000, b"x") + b"</us-bib"), "more than 100 deep"),
    "any element": (NEW.replace(b"Kettle", nested(b"b", 500_000, b"x")), "more than 100 deep"),
    "text": (NEW.replace(b"Kettle", b"x" * (TEXT + 1)), "more than 1,048,576 characters of text"),
    "characters": (NEW.replace(b"Kettle", b"&nosuch;" * 2**18), "more than 1,048,576 characters of text"),
    "declared attributes": (
        NEW.replace(b'" [', b'" [<!ATTLIST b a CDATA "%b">' % (b"v" * 10**5)).replace(b"Kettle", b"<b/>" * 90_000),
        "forbidden declaration: ATTLIST",
    ),
    "many declared attributes": (
        NEW.replace(b'" [', b'" [<!ATTLIST b %b>' % b" ".join(b'a%d CDATA "v"' % number for number in range(400_000))),
        "forbidden declaration: ATTLIST",
    ),
    "namespace": (
        NEW.replace(b"Kettle", b'<b xmlns="%b">%b</b>' % (b"v" * 10**5, b"".join(b"<c%d/>" % n for n in range(90_000)))),
        "the names in the XML have more than 8,388,608 characters",
    ),
    "empty citations": (
        OLD.replace(b"</B500>", b"<B560><B561><PCIT>%b</PCIT></B561></B560></B500>" % (b"<DOC/>" * 1_300_000)),
        "more than 100,000 elements",
    ),
    "number": (NEW.replace(b"D0000001", b"../../x"), "the XML is that of US../../x"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_xml_that_expands_is_refused(attack):
    data, message = ATTACKS[attack]
    begun = time.process_time()
    with pytest.raises(Refused) as caught:
        read_patent_xml(data, PATENT)
    assert message in caught.value.detail and caught.value.reason == Reason.XML
    assert time.process_time() - begun < 5  # the attacks took minutes, or all memory


def test_no_text_is_collected_twice():
    depth = DEPTH - 8
    record, _ = read_patent_xml(described(nested(b"p", depth, b"one") + b"<p>two</p>"), PATENT)
    assert record["figure_descriptions"] == ["one", "two"]
    inner = CITED % b"<country>US</country>"
    for _ in range(20):
        inner = CITED % (b"<country>DE" + inner + b"</country>")
    record, _ = read_patent_xml(NEW.replace(b"</us-bib", inner + b"</us-bib"), PATENT)
    assert [cited["country"] for cited in record["cited_patents"]] == ["DE" * 20 + "US"]


def page(*entries, size=(40, 30), data=bytes(400)):
    """A TIFF of one page of 1 bit, whose entries (tag, type, count, value) come before the usual ones."""
    width, height = size
    usual = [(256, width), (257, height), (258, 1), (259, 1), (262, 0), (273, 300), (277, 1), (278, height), (279, 150)]
    listed = [*entries, *((tag, 4, 1, value) for tag, value in usual if tag not in {entry[0] for entry in entries})]
    return struct.pack("<2sHIH", b"II", 42, 8, len(listed)) + b"".join(struct.pack("<HHII", *e) for e in listed) + data


@pytest.mark.parametrize(
    "data, message",
    [
        (page((322, 4, 1, 2**16), (323, 4, 1, 2**16), (324, 4, 1, 300), (325, 4, 1, 200)), "more than 89,478,485 pixels"),
        (page((322, 4, 1, 2**17), (323, 4, 1, 1), (324, 4, 1, 300), (325, 4, 1, 200)), "131072 x 1 pixels, a side may"),
        (page((273, 4, 10**6, 8), size=(8, 10**6), data=bytes(5 * 2**20)), "too many values"),
        (page(*((tag, 5, 900, 400) for tag in (274, 282, 338)), data=bytes(2**15)), "too many values"),
        (page(*((tag, 3, 1, 0) for tag in range(1000, 4000))), "too many values"),
        (page(size=(89_478_485, 1)), "89478485 x 1 pixels, a side may have 65,535"),
        (page(size=(1, 65_536)), "1 x 65536 pixels"),
        (page(size=(2**31 - 1, 2**31 - 1)), "more than 89,478,485 pixels"),
        (b"II*\0\xff\xff\xff\xff", "not a TIFF file"),
        (b"II+\0\x08\0\0\0" + bytes(100), "not a TIFF file"),
    ],
)
def test_pages_that_take_more_memory_than_their_pixels_are_refused(data, message):
    with pytest.raises(Refused, match=message):
        sheet_to_png(data)


def test_a_page_of_a_strip_for_each_row_is_read():
    data = tif(1, (40, 300), compression="raw", tiffinfo={278: 1})
    with Image.open(io.BytesIO(data)) as scan, Image.open(io.BytesIO(sheet_to_png(data)[0])) as image:
        assert len(scan.tile) == 300 and (np.asarray(image) == np.asarray(scan)).all()


@pytest.fixture
def build_in(tmp_path):
    """Function that builds a data set from an archive in tmp_path / "out" and returns the report."""
    settings = {"seed": 0, "test_fraction": 0.3, "val_fraction": 0.3, "limit": LIMIT}
    return lambda archive: build_dataset([str(archive)], tmp_path / "out", **settings)


def many_names():
    return {**contents(1), f"{PATENT}.XML": xml(1, [f"{number}.TIF" for number in range(patent_module.FILES + 1)])}


def many_files():
    return {**contents(1), **{f"{number}.txt": b"" for number in range(patent_module.FILES)}}


def test_a_restart_does_not_meet_a_refused_patent_again(tmp_path, build_in):
    bad = {
        member_name(11): zipped({f"{name_of(11)}.XML": described(nested(b"p", 4000, b"x")).replace(b"001<", b"011<")}),
        member_name(1): zipped(many_names()),
    }
    archive = write_tar(tmp_path / "I20210105.tar", {**bad, **week(range(2, 8))})
    report = build_in(archive)
    assert report.patents == 6 and report.counts == {Reason.XML: 1, Reason.LARGE: 1}
    assert "the XML names 1,001 files, more than 1,000" in report.examples[Reason.LARGE]
    journal = (tmp_path / "out/build/I20210105.tar.jsonl").read_bytes()
    assert build_in(archive) == report and (tmp_path / "out/build/I20210105.tar.jsonl").read_bytes() == journal


def test_an_offset_of_64_bits_loses_one_patent(tmp_path, build_in):
    data = zipped({f"{PATENT}.XML": NEW}, 0)
    at = data.index(b"PK\1\2")
    extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    name = f"{PATENT}.XML".encode()
    head = bytearray(data[at : at + 46])
    struct.pack_into("<H", head, 30, len(extra))
    struct.pack_into("<I", head, 42, 2**32 - 1)
    end = bytearray(data[-22:])
    struct.pack_into("<I", end, 12, len(head) + len(name) + len(extra))
    forged = data[:at] + head + name + extra + end
    report = build_in(write_tar(tmp_path / "I20210105.tar", {member_name(1): bytes(forged), **week(range(2, 8))}))
    assert report.patents == 6 and report.counts == {Reason.DAMAGED: 1}


def test_the_longest_lines_of_a_journal_are_read(tmp_path, build_in):
    """A patent of as much text, as many citations and as many skipped files as are read."""
    cited = b"<B561><PCIT><DOC/></PCIT></B561>" * ((ELEMENTS - 100) // 3)
    title = b'",' * (TEXT // 2 - 500)
    text = OLD.replace(b"</B500>", b"<B560>%b</B560></B500>" % cited).replace(b"Kettle", title, 1)
    extra = {f"{number}{chr(0xE0001) * 50}": b"" for number in range(patent_module.FILES - 10)}
    files = {**contents_before_2005(1, "Kettle", False), f"{PATENT}.XML": text, **extra}
    archive = write_tar(tmp_path / "I20210105.tar", {member_name(1): zipped(files), **week(range(2, 8))})
    report = build_dataset([str(archive)], tmp_path / "out", seed=0, test_fraction=0.3, val_fraction=0.3, limit=10**8)
    longest = max(map(len, (tmp_path / "out/build/I20210105.tar.jsonl").read_bytes().splitlines()))
    assert report.patents == 7 and 3 * 2**20 < longest < LONGEST


def test_a_patent_of_many_empty_entries_is_refused_before_they_become_objects(tmp_path):
    data = zipped({str(number): b"" for number in range(6_000)})
    with pytest.raises(Refused, match="its table of contents has more than 256,000 bytes"):
        open_zip(io.BytesIO(data), patent_module.FILES * patent_module.ENTRY_BYTES)
    assert len(open_zip(io.BytesIO(data)).infolist()) == 6_000
    archive = write_tar(tmp_path / "I20210105.tar", {member_name(1): data})
    member = Member(str(archive), member_name(1), PATENT, 512, len(data))
    outcome = patent_module.convert_patent(member, tmp_path / "drawings", LIMIT)
    assert [skip.reason for skip in outcome.skips] == [Reason.DAMAGED]


def test_a_member_may_be_longer_than_the_table_of_contents():
    data = zipped({"a": bytes(2**20)}, 0)
    archive = open_zip(io.BytesIO(data), 256)
    assert unzip_member(archive, archive.infolist()[0], 2**20) == bytes(2**20)


def test_sheets_that_fail_at_their_end_count_as_those_of_most_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(patent_module, "PIXELS", 2 * patent_module.SHEET_PIXELS)
    tried, convert = [], patent_module.sheet_to_png
    monkeypatch.setattr(patent_module, "sheet_to_png", lambda data: tried.append(data) or convert(data))
    other, cut = page((258, 4, 1, 8)), tif(1, (40, 30), compression="raw")[:100]
    sheets = [tif(1), *[other] * 5, *[cut] * 5]
    files = {f"{PATENT}-D{number:05d}.TIF": sheet for number, sheet in enumerate(sheets)}
    data = zipped({f"{PATENT}.XML": NEW, **files})
    archive = write_tar(tmp_path / "I20210105.tar", {member_name(1): data})
    member = Member(str(archive), member_name(1), PATENT, 512, len(data))
    outcome = patent_module.convert_patent(member, tmp_path / "drawings", LIMIT)
    assert tried == [tif(1), *[other] * 5, *[cut] * 2] and len(outcome.record["drawings"]) == 1
    assert [skip.reason for skip in outcome.skips] == [Reason.TIF] * 7 + [Reason.LARGE] * 3


def test_a_name_in_a_header_of_digits_is_searched_in_a_moment(tmp_path):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, NAME_BYTES
    archive = write_tar(tmp_path / "I20210105.tar", week(range(1, 7)))
    archive.write_bytes((header.tobuf() + b"1" * NAME_BYTES) * 3 + archive.read_bytes())
    begun = time.process_time()
    assert sum(1 for _ in tar_entries(io.BytesIO(archive.read_bytes()))) == 6
    assert time.process_time() - begun < 2  # it took 4 s a header


@pytest.mark.skipif(sys.platform == "darwin", reason="no file has such a name")
def test_names_that_are_not_utf_8(tmp_path):
    settings = {"seed": 0, "test_fraction": 0.3, "val_fraction": 0.3, "limit": LIMIT}
    archive, out = write_tar(tmp_path / "week.tar", week(range(1, 7))), tmp_path / os.fsdecode(b"out\xff")
    assert build_dataset([str(archive)], out, **settings).patents == 6
    assert parquet.read_table(io.BytesIO((out / "metadata.parquet").read_bytes())).num_rows == 6
    odd = archive.rename(tmp_path / os.fsdecode(b"week\xff.tar"))
    with pytest.raises(DataError, match="the name is not UTF-8"):
        build_dataset([str(odd)], tmp_path / "other", **settings)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", ["test_db_patent.txt", "train_patent_trn.txt"])
def test_a_list_that_is_a_link_is_not_copied(tmp_path, name):
    folder = tmp_path / "lists"
    folder.mkdir()
    for other in ("test_query_patent.txt", "test_db_patent.txt"):
        (folder / other).write_text(f"p/a/{len(other)}.png 1\n")
    assert write_extended_list(folder)[1] == 1
    (folder / name).unlink(missing_ok=True)
    (tmp_path / "secret").write_text("a/password.png 1\n")
    (folder / name).symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match=f"{name}: leads out of the folder, to {tmp_path}/secret"):
        write_extended_list(folder)


def test_files_and_pixels_of_a_patent_are_bounded(tmp_path, build_in, monkeypatch):
    monkeypatch.setattr(patent_module, "PIXELS", 2 * 40 * 30)
    archive = write_tar(tmp_path / "I20210105.tar", {member_name(1): zipped(many_files()), **week(range(2, 8))})
    report = build_in(archive)
    assert report.patents == 6 and report.drawings == 6 * 3 and report.counts == {Reason.LARGE: 1 + 6}


def test_an_archive_that_is_no_file_ends_at_once(tmp_path, build_in):
    os.mkfifo(tmp_path / "pipe.tar")
    (tmp_path / "zero.tar").symlink_to("/dev/zero")
    for name in ("pipe.tar", "zero.tar"):
        with pytest.raises(DataError, match=f"{name}: the archive cannot be read: is not a regular file"):
            build_in(tmp_path / name)


def test_a_hole_in_an_archive_is_passed_at_once(tmp_path, build_in):
    archive = write_tar(tmp_path / "I20210105.tar", week(range(1, 7)))
    end = archive.stat().st_size
    os.truncate(archive, end + 2**38)
    with open(archive, "r+b") as file:
        file.seek(end + 2**37)
        file.write(write_tar(tmp_path / "more.tar", week([7])).read_bytes())
    assert build_in(archive).patents == 7  # block by block it would take an hour


MEASURED = """
import re, sys
from fastpatent.uspto.archives import Member
from fastpatent.uspto.patent import convert_patent
def peak():  # of this program alone: ru_maxrss begins with that of its parent
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
before = peak()
outcome = convert_patent(Member(sys.argv[1], sys.argv[2], sys.argv[3], 512, int(sys.argv[4])), sys.argv[5], 10**8)
print(outcome.record is not None, (peak() - before) // 1024)
"""


def test_the_memory_of_one_patent_is_bounded(tmp_path):
    """The largest sheet, and as many elements as are read."""
    drawing = io.BytesIO()
    Image.new("1", (9400, 9400), 1).save(drawing, "TIFF", compression="group4")
    files = {f"{PATENT}.XML": NEW.replace(b"Kettle", b"<b/>" * (ELEMENTS - 100)), f"{PATENT}-D00000.TIF": drawing.getvalue()}
    data = zipped(files)
    archive = write_tar(tmp_path / "one.tar", {member_name(1): data})
    words = [str(archive), member_name(1), PATENT, str(len(data)), str(tmp_path / "drawings")]
    found = subprocess.run(
        [sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=True
    ).stdout.split()
    assert found[0] == "True" and 84 <= int(found[1]) < 400, found  # a byte a pixel is the least
