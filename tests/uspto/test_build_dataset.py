"""Complete data sets from weekly archives: their contents, and builds in one or several runs."""

import csv
import os
import shutil
import tarfile
import tracemalloc
from pathlib import Path
from zipfile import ZIP_STORED

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from fastpatent.commands import main
from fastpatent.config import get_cfg
from fastpatent.data.datasets import DATASETS
from fastpatent.data.lists import read_lines
from fastpatent.data.records import unmatched_queries
from fastpatent.errors import DataError
from fastpatent.uspto import build as build_module
from fastpatent.uspto.patent_xml import read_patent_xml
from fastpatent.uspto.skips import Reason
from tests.uspto.weeks import (
    contents,
    contents_before_2005,
    files_below,
    member_name,
    name_of,
    patent_zip,
    tif,
    week,
    write_tar,
    write_zip,
    zipped,
)

LISTS = {
    "train_patent_trn.txt",
    "train_patent_val.txt",
    "val_query_patent.txt",
    "val_db_patent.txt",
    "test_query_patent.txt",
    "test_db_patent.txt",
    "test_db_patent_extended.txt",
}


def listed(out, name):
    """[(path, label)] of a list."""
    lines = (out / "train_data" / name).read_text().splitlines()
    return [tuple(line.split(" ")) for line in lines]


def splits(out, name):
    cfg = get_cfg()
    cfg.DATASETS.ROOT = str(out)
    return DATASETS.get(name)(cfg)


@pytest.fixture
def real_week(shared, tmp_path):
    """Function that packs the first of the 50 real patents by `write_tar` or `write_zip`."""

    def pack(write, count=50):
        packed = {}
        for folder in sorted((shared / "impact/patents").iterdir())[:count]:
            files = {f"{folder.name}/{path.name}": path.read_bytes() for path in folder.iterdir()}
            packed[f"I20210105/DESIGN/{folder.name}.ZIP"] = zipped(files)
        return write(tmp_path / "I20210105.tar", {**packed, "I20210105/UTIL1/US10881042-20210105.ZIP": b"text"})

    return pack


@pytest.mark.slow
def test_fifty_real_patents(shared, real_week, build_in, tmp_path, monkeypatch):
    report = build_in(real_week(write_tar), test_fraction=0.15, val_fraction=0.15, limit=10**8, workers=2)
    assert (report.patents, report.drawings, report.counts) == (50, 438, {Reason.NO_DESIGN: 1})
    out = tmp_path / "out"
    patent, test, extended = (splits(out, name) for name in ("Patent", "DeepPatentTest", "DeepPatentTestExtended"))
    stages = [patent.train, patent.query + patent.gallery, test.query + test.gallery]
    identities = [{sample.identity for sample in samples} for samples in stages]
    assert list(map(len, identities)) == [36, 6, 8] and len(set.union(*identities)) == 50
    assert sum(map(len, stages)) == 438 and len(extended.gallery) == 438 - len(test.query)
    assert not unmatched_queries(patent.query, patent.gallery) and not unmatched_queries(test.query, test.gallery)
    for sample in sum(stages, [])[::6]:
        path = Path(sample.path)
        original = shared / "impact/patents" / sample.identity / f"{path.stem}.TIF"
        with Image.open(path) as ours, Image.open(original) as theirs:
            assert ours.mode == "1" and (np.asarray(ours) == np.asarray(theirs)).all()
    rows = pyarrow.parquet.read_table(out / "metadata.parquet").to_pylist()
    for row in rows:
        xml = (shared / "impact/patents" / row["patent"] / f"{row['patent']}.XML").read_bytes()
        record, drawings = read_patent_xml(xml, row["patent"])
        assert {**row, "date": row["date"].isoformat()}.items() >= record.items()
        assert [drawing["name"][:-4] for drawing in row["drawings"]] == [name[:-4] for name in drawings]
        assert row["archive"] == "I20210105.tar" and row["member"] == f"I20210105/DESIGN/{row['patent']}.ZIP"
        for drawing in row["drawings"]:
            with Image.open(
                out / "train_data/patent_data" / f"I{row['patent'][-8:]}/{row['patent']}/{drawing['name']}"
            ) as image:
                assert image.size == (drawing["width"], drawing["height"])

    words = ["DATASETS.ROOT", out, "DATASETS.NAMES", "('Patent',)", "DATASETS.TESTS", "('DeepPatentTest',)"]
    words += ["MODEL.BACKBONE.NAME", "timm", "MODEL.BACKBONE.TIMM_NAME", "test_convnext", "MODEL.DEVICE", "cpu"]
    words += ["INPUT.SIZE_TRAIN", "[32,32]", "INPUT.SIZE_TEST", "[32,32]", "DATALOADER.NUM_WORKERS", "2"]
    words += ["TEST.REPORT", "False"]
    words += ["SOLVER.MAX_EPOCH", "1", "SOLVER.IMS_PER_BATCH", "64", "OUTPUT_DIR", tmp_path / "run"]
    assert main(["train", *map(str, words)]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(["test", *map(str, words), "MODEL.WEIGHTS", "run/model_best.pth"]) == 0
    ranking = np.load("result.npy")
    assert ranking.shape == (len(test.query), 10) and ranking.max() < len(test.gallery)


def test_a_zip_gives_what_a_tar_gives(real_week, build_in, tmp_path):
    for write in (write_tar, write_zip):
        build_in(real_week(write, count=5), out=write.__name__, workers=write is write_zip)
    assert files_below(tmp_path / "write_tar/train_data") == files_below(tmp_path / "write_zip/train_data")


def test_lists(build_in, tmp_path):
    report = build_in(write_tar(tmp_path / "week.tar", week(range(1, 21))))
    out = tmp_path / "out"
    assert report.lists == {name: len(listed(out, name)) for name in LISTS}
    for name in LISTS:
        labels = [int(label) for _, label in listed(out, name)]
        assert sorted(set(labels)) == list(range(1, max(labels) + 1))
        assert len({path for path, _ in listed(out, name)}) == len(labels)
    for stage in ("val", "test"):
        query, gallery = (
            dict((path.split("/")[1], label) for path, label in listed(out, f"{stage}_{part}_patent.txt"))
            for part in ("query", "db")
        )
        assert query == gallery
    both = listed(out, "val_query_patent.txt") + listed(out, "val_db_patent.txt")
    assert sorted(both) == sorted(listed(out, "train_patent_val.txt"))
    assert [path for _, path in read_lines(str(out / "train_data/test_db_patent_extended.txt"))] == [
        path
        for name in ("test_db_patent.txt", "train_patent_val.txt", "train_patent_trn.txt")
        for path, _ in listed(out, name)
    ]


def test_patents_before_2005(build_in, tmp_path):
    titles = {1: "Pot", 2: "Pot &ldquo;2&rdquo;", 3: "Pot&mdash;3 &mgr;m", 4: "Pot &unknown;"}
    week = {member_name(n): zipped(contents_before_2005(n, title, declared=n % 2)) for n, title in titles.items()}
    report = build_in(write_tar(tmp_path / "week.tar", week))
    assert (report.patents, report.drawings, report.counts) == (4, 16, {})
    rows = pyarrow.parquet.read_table(tmp_path / "out/metadata.parquet").to_pylist()
    titles = ["Pot", "Pot \u201c2\u201d", "Pot\u20143 \u03bcm", "Pot &unknown;"]
    assert [(row["title"], row["kind"]) for row in rows] == [(title, "S") for title in titles]
    assert [row["figure_descriptions"] for row in rows] == [[f"FIG. 1 shows {title}."] for title in titles]


def test_letters_and_supplements_do_not_matter(build_in, tmp_path):
    lower = {name.lower(): data for name, data in contents(2).items()}
    mixed = {name.replace("TIF", "Tif").replace("XML", "Xml"): data for name, data in contents(3).items()}
    main = {**week([1]), f"i20210105/design/{name_of(2).lower()}.zip": zipped(lower)}
    main |= {f"I20210105/Design/{name_of(3)}.Zip": zipped(mixed), f"I20210105/SUPPLEMENT/{name_of(4)}.ZIP": patent_zip(4)}
    main |= {f"I20210105-SUPP/DESIGN/{name_of(5)}.ZIP": patent_zip(5)}
    supplement = {f"I20210105-SUPP/DESIGN/{name_of(6)}.ZIP": patent_zip(6), **week([1])}
    report = build_in(write_tar(tmp_path / "I20210105.tar", main), write_tar(tmp_path / "I20210105-SUPP.tar", supplement))
    build_in(write_tar(tmp_path / "plain.tar", week(range(1, 7))), out="plain")
    assert report.counts == {Reason.TWICE: 1} and report.patents == 6
    assert files_below(tmp_path / "out/train_data") == files_below(tmp_path / "plain/train_data")


@pytest.mark.parametrize("together", [True, False])
def test_a_patent_refused_in_one_archive_is_read_from_the_next(build_in, tmp_path, together):
    first = write_tar(tmp_path / "a.tar", {**week([1, 2, 3]), member_name(4): patent_zip(4)[:-40]})
    second = write_tar(tmp_path / "b.tar", week([3, 4]))
    if not together:
        build_in(first)
    report = build_in(first, second)
    assert report.patents == 4 and report.counts == {Reason.DAMAGED: 1, Reason.TWICE: 1}


def test_an_archive_without_designs_is_named(build_in, tmp_path):
    others = write_tar(tmp_path / "b.tar", {"I20210105/UTIL1/US10881042-20210105.ZIP": b"", "readme": b""})
    report = build_in(write_tar(tmp_path / "a.tar", week(range(1, 5))), others)
    assert report.patents == 4 and report.counts == {Reason.NO_DESIGN: 2}
    assert report.examples == {Reason.NO_DESIGN: "b.tar: it holds no design patent"}
    with pytest.raises(DataError, match="too few patents .*; skipped: b.tar: it holds no design patent"):
        build_in(others, out="none")


def test_equal_drawings_are_removed_and_named(build_in, tmp_path):
    twin = {**contents(2), f"{name_of(2)}-D00001.TIF": tif(100, compression="raw")}  # the pixels of patent 1's first
    packed = {**week([1, 3, 4, 5]), member_name(2): zipped(twin)}
    report = build_in(write_tar(tmp_path / "week.tar", packed))
    removed = f"I20210105/{name_of(2)}/{name_of(2)}-D00001.png"
    first = f"I20210105/{name_of(1)}/{name_of(1)}-D00000.png"
    assert report.counts == {Reason.SAME: 1} and report.examples == {Reason.SAME: f"{removed}: is identical to {first}"}
    out = tmp_path / "out"
    paths = {path for name in LISTS for path, _ in listed(out, name)}
    assert len(paths) == 19 and removed not in paths and first in paths
    with open(out / "skipped.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["archive", "member", "reason", "detail"],
            ["", removed, "drawing equal to another", f"is identical to {first}"],
        ]


def hostile_week():
    """{name: bytes or TarInfo} of four valid patents and one bad member of each kind."""
    link = tarfile.TarInfo(member_name(50))
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return {
        f"../../{name_of(51)}.ZIP": patent_zip(51),
        **week([1]),
        f"/{name_of(52)}.ZIP": patent_zip(52),
        "link": link,
        member_name(53): zipped({f"{name_of(53)}.XML": bytes(2 * 10**6)}),
        **week([2, 3]),
        member_name(54): b"PK\3\4 and nothing else",
        member_name(55): patent_zip(55)[:-40],
        member_name(56): zipped({**contents(56), f"{name_of(56)}.XML": b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"}),
        member_name(57): patent_zip(1),
        **week([4]),
    }


def test_hostile_members_are_refused_one_by_one_and_the_rest_is_built(build_in, tmp_path):
    report = build_in(write_tar(tmp_path / "week.tar", hostile_week()))
    build_in(write_tar(tmp_path / "good.tar", week([1, 2, 3, 4])), out="good")
    assert report.counts == {
        Reason.UNSAFE: 2,
        Reason.NO_FILE: 1,
        Reason.LARGE: 1,
        Reason.DAMAGED: 2,
        Reason.XML: 2,
        Reason.NO_DRAWING: 5,
    }
    found, wanted = files_below(tmp_path / "out/train_data"), files_below(tmp_path / "good/train_data")
    assert found == wanted
    assert sorted(os.listdir(tmp_path)) == ["good", "good.tar", "out", "week.tar"]
    with open(tmp_path / "out/skipped.csv", newline="") as file:
        skipped = {member for _, member, _, _ in csv.reader(file)}
    assert {
        f"../../{name_of(51)}.ZIP",
        f"/{name_of(52)}.ZIP",
        *(member_name(number) for number in (50, 53, 54, 55, 56, 57)),
    } < skipped


@pytest.fixture
def archives(tmp_path):
    """Two weeks; the second repeats patents of the first, and one of its own."""
    first = write_tar(tmp_path / "a.tar", week(range(1, 11)))
    second = {**week(range(9, 16)), f"again/{name_of(15)}.ZIP": patent_zip(15)}
    return first, write_zip(tmp_path / "b.zip", second)


def test_a_second_run_reads_no_patent_and_changes_nothing(archives, build_in, tmp_path, monkeypatch):
    report = build_in(*archives)
    before = files_below(tmp_path / "out")
    assert report.counts == {Reason.TWICE: 3} and report.patents == 15
    monkeypatch.setattr(build_module, "convert_patent", lambda *_, **__: pytest.fail("a patent is converted again"))
    assert build_in(*archives) == report and files_below(tmp_path / "out") == before
    archives[0].unlink()
    assert build_in(archives[1]) == report and files_below(tmp_path / "out") == before


def test_weeks_may_be_added_one_by_one(archives, build_in, tmp_path):
    build_in(*archives)
    build_in(archives[0], out="other")
    build_in(archives[1], out="other", workers=2)
    assert files_below(tmp_path / "other") == files_below(tmp_path / "out")


class Killed(BaseException):
    """An exception that the package does not catch."""


@pytest.mark.parametrize("after", range(0, 17, 2))
def test_a_build_killed_anywhere_continues_where_it_was(archives, build_in, tmp_path, monkeypatch, after):
    build_in(*archives, out="whole")
    convert, converted = build_module.convert_patent, []

    def stopping(member, **options):
        if len(converted) == after:
            raise Killed
        converted.append(member.name)
        return convert(member, **options)

    monkeypatch.setattr(build_module, "convert_patent", stopping)
    if after < 15:
        with pytest.raises(Killed):
            build_in(*archives)
        assert not (tmp_path / "out/metadata.parquet").exists()
        after = 99
    build_in(*archives)
    assert len(converted) == len(set(converted)) == 15  # none was converted twice
    assert files_below(tmp_path / "out") == files_below(tmp_path / "whole")


def test_temporary_files_of_a_killed_build_are_removed(archives, build_in, tmp_path):
    build_in(*archives)
    before = files_below(tmp_path / "out")
    places = (".", "metadata.parquet"), (".", "skipped.csv"), ("build", "written.json"), ("train_data", "test_db_patent.txt")
    for folder, name in places:
        (tmp_path / "out" / folder / f".0123456789abcdef.{name}").write_text("half")
    build_in(*archives)
    assert files_below(tmp_path / "out") == before


def test_an_archive_that_has_changed_is_converted_anew(archives, build_in, tmp_path):
    build_in(*archives)
    write_tar(archives[0], week(range(2, 11)))
    report = build_in(*archives)
    assert report.patents == 14
    build_in(*archives, out="new")
    assert {path for name in LISTS for path, _ in listed(tmp_path / "out", name)} == {
        path for name in LISTS for path, _ in listed(tmp_path / "new", name)
    }


def test_an_unfinished_archive_is_named(archives, build_in, tmp_path):
    build_in(*archives)
    journal = tmp_path / "out/build/b.zip.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])
    report = build_in(archives[0])
    assert (report.archives, report.unfinished, report.patents) == (["a.tar"], ["b.zip"], 10)


def test_damaged_archives_are_reported_and_the_others_built(archives, build_in, tmp_path):
    os.truncate(archives[1], 5000)
    report = build_in(*archives)
    assert report.patents == 10 and report.counts == {Reason.ARCHIVE: 1}
    assert report.examples[Reason.ARCHIVE].startswith("b.zip: not a complete ZIP file")


def test_archives_that_cannot_be_built_are_refused(archives, build_in, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="a.tar: two archives of this name"):
        build_in(archives[0], shutil.copy(archives[0], tmp_path / "other"))
    with pytest.raises(DataError, match="absent: the archive cannot be read"):
        build_in(archives[0], tmp_path / "absent")
    with pytest.raises(DataError, match="week.zip: it holds an archive"):
        build_in(archives[0], write_zip(tmp_path / "week.zip", {"I20210105.tar": b""}))
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match="out: too few patents for lists"):
        build_in(write_tar(tmp_path / "few.tar", week([1, 2])))
    assert pyarrow.parquet.read_table(tmp_path / "out/metadata.parquet").num_rows == 2


def test_memory_does_not_grow_with_the_archive(build_in, tmp_path):
    """128 MB of patents with additional data, against 12 MB."""
    ballast = {"ballast": np.random.default_rng(0).bytes(4 * 10**6)}

    def pack(name, count):
        patents = {member_name(n): zipped({**contents(n, 2), **ballast}, ZIP_STORED) for n in range(1, count + 1)}
        return write_tar(tmp_path / name, patents)

    small, large = pack("small.tar", 3), pack("large.tar", 32)
    peaks = []
    for archive in (small, large):
        tracemalloc.start()
        build_in(archive, out=archive.stem, limit=5 * 10**6)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert archive.stat().st_size > 120e6 and max(peaks) < 13e6 and peaks[1] < peaks[0] + 10**6


@pytest.mark.parametrize(
    "name",
    ["train_data/train_patent_trn.txt", "data/test_db_patent.txt", "metadata.parquet", "train_data/patent_data/a/1.png"],
)
def test_lists_and_drawings_of_another_origin_are_never_replaced(archives, build_in, tmp_path, name):
    """Lists of DeepPatent itself lie under the same names, in the folder that is DATASETS.ROOT."""
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("a/1.png 1\n")
    before = files_below(tmp_path / "out")
    with pytest.raises(DataError, match=f"^{tmp_path}/out/.*(was not written by|did not write)"):
        build_in(*archives)
    assert files_below(tmp_path / "out") == before


def test_a_list_that_was_changed_since_is_not_replaced(archives, build_in, tmp_path):
    build_in(*archives)
    path = tmp_path / "out/train_data/train_patent_trn.txt"
    path.write_text(changed := path.read_text() + "mine 7\n")
    with pytest.raises(DataError, match=f"^{path}: was not written by `fastpatent data build`, or was changed since"):
        build_in(*archives)
    assert path.read_text() == changed
