"""What is given in place of a weekly archive: a sentence for each, before anything is written."""

import gzip
import re

import pytest

from fastpatent.errors import DataError
from fastpatent.uspto.archives import check_archive
from tests.uspto.weeks import contents, name_of, patent_zip, week, write_tar, write_zip, xml, zipped

TEXT = "full text without drawings"
WANTED = 'the weekly archives "Patent Grant Full Text with Embedded TIFF Images" are wanted'
PATENT = f"{name_of(1)}/{name_of(1)}.XML"


def refusal(path):
    """The sentence after the path."""
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: ") as caught:
        check_archive(path)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    "name, data, sentence",
    [
        ("week", b"text " * 1000, "neither a tar nor a zip file, but text"),
        ("week.tar", b'{"error": "no such file"}', "neither a tar nor a zip file, but text"),
        ("week.tar", b"\n<!DOCTYPE html><html><body>404</body></html>", "neither a tar nor a zip file, but an HTML page"),
        ("week.zip", b"<!-- saved --><HTML lang='en'>" + b"x" * 600, "neither a tar nor a zip file, but an HTML page"),
        ("week.tar", b"", "neither a tar nor a zip file, but empty"),
        ("week", bytes(range(256)), "neither a tar nor a zip file"),
        ("I20210105.tar.gz", gzip.compress(b"tar", mtime=0), "a gzip file, which allows no random access; unpack it first"),
        ("ipg210105.xml", xml(1) * 9, f"{TEXT}; {WANTED}"),
        ("week.zip", zipped({}), f"it holds no ZIP file of a patent; {WANTED}"),
        ("photos.zip", zipped({"a/1.png": b""}), f"it holds no ZIP file of a patent; {WANTED}"),
        ("ipg210105.zip", zipped({"ipg210105.xml": xml(1) * 9}), f"{TEXT} (ipg210105.xml); {WANTED}"),
        ("pg010102.zip", zipped({"report.html": b"", "pg010102.sgm": b""}), f"{TEXT} (pg010102.sgm); {WANTED}"),
        ("pftaps.zip", zipped({"pftaps19960102_wk01.txt": b""}), f"{TEXT} (pftaps19960102_wk01.txt); {WANTED}"),
        (f"{name_of(1)}.ZIP", patent_zip(1), f"the files of one patent ({PATENT}); pack the ZIP files of many"),
        (
            "it.zip",
            zipped({name.lower(): b"" for name in contents(1)}),
            f"the files of one patent ({name_of(1).lower()}.xml)",
        ),
        ("it.zip", zipped({"US10881042-20210105.XML": b""}), "the files of one patent (US10881042-20210105.XML)"),
        ("week.zip", zipped({"a.xml": b"", "I20210105.tar": b""}), "it holds an archive (I20210105.tar); unpack it"),
        ("week.zip", zipped({"I/i20210105.TAR.gz": b""}), "it holds an archive (I/i20210105.TAR.gz); unpack it"),
        ("2021.zip", zipped({"I20210105.zip": b""}), "it holds an archive (I20210105.zip); unpack it"),
    ],
)
def test_files(tmp_path, name, data, sentence):
    (tmp_path / name).write_bytes(data)
    assert refusal(tmp_path / name).startswith(sentence)


def test_tars(tmp_path):
    assert refusal(write_tar(tmp_path / "1.tar", {})).startswith("it holds no ZIP file of a patent")
    assert refusal(write_tar(tmp_path / "2.tar", contents(1))).startswith("the files of one patent")
    assert refusal(write_tar(tmp_path / "3.tar", {"I20210105.tar": b"", "\x1b.xml": b""})).startswith("it holds an archive")
    assert refusal(write_tar(tmp_path / "4.tar", {"\x1b.xml": b""})).startswith(f"{TEXT} (\\x1b.xml)")


def test_a_folder_says_how_to_pack_it(tmp_path):
    folder = tmp_path / "my patents"
    folder.mkdir()
    assert refusal(folder).endswith(f"tar -cf week.tar '{folder}'")


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_weekly_archives_pass(tmp_path, write):
    others = {"DTDS/DTDS.zip": b"", "a.xml": b""}
    check_archive(write(tmp_path / "1", {**others, **week([1])}))
    check_archive(write(tmp_path / "2", {**others, "I20210105/UTIL1/us10881042-20210105.zip": b""}))


def test_damaged_archives_pass_since_the_build_reports_them(tmp_path):
    for name, data in (("1.tar", b"\0\1" * 5000), ("2.zip", write_zip(tmp_path / "whole", week([1])).read_bytes()[:-30])):
        (tmp_path / name).write_bytes(data)
        check_archive(tmp_path / name)
