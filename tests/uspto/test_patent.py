"""One patent: its drawings against PIL, and every kind of bad part."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from fastpatent.uspto import patent as patent_module
from fastpatent.uspto.patent import convert_patent
from fastpatent.uspto.skips import Reason
from tests.uspto.weeks import LIMIT, contents, files_below, member_name, name_of, patent_zip, tif, xml, zipped

NAME = name_of(1)
FOLDER = f"I20210105/{NAME}"


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def reasons(outcome):
    """[(reason, name below the patent's ZIP file)]."""
    return [(skip.reason, skip.member.removeprefix(f"{member_name(1)}/")) for skip in outcome.skips]


@pytest.fixture
def convert(as_member, tmp_path):
    """Function that converts the ZIP file of patent 1 below tmp_path / "drawings"."""

    def run(data, limit=LIMIT):
        return convert_patent(as_member(data), str(tmp_path / "drawings"), limit)

    return run


def test_every_drawing_becomes_a_png_of_its_pixels(convert, tmp_path):
    outcome = convert(patent_zip(1, drawings=5))
    assert not outcome.skips and outcome.record["patent"] == NAME and outcome.record["title"] == "Kettle"
    found = files_below(tmp_path / "drawings")
    assert sorted(found) == [f"{FOLDER}/{NAME}-D{sheet:05d}.png" for sheet in range(5)]
    for sheet, drawing in enumerate(outcome.record["drawings"]):
        data = found[f"{FOLDER}/{drawing['name']}"]
        assert (pixels(data) == pixels(tif(100 + sheet))).all()
        assert (drawing["width"], drawing["height"]) == (40, 30)
    assert len({drawing["digest"] for drawing in outcome.record["drawings"]}) == 5


def test_other_pages_folders_and_letters(convert):
    files = {f"a\\{name.lower()}": data for name, data in contents(1, 1).items()} | {
        f"{NAME}-P00001.TIF": tif(7),
        "folder/": b"",
    }
    drawings = [drawing["name"] for drawing in convert(zipped(files)).record["drawings"]]
    assert drawings == [f"{NAME}-D00000.png", f"{NAME}-P00001.png"]


SHEET = f"{NAME}-D00002.TIF"


def test_a_bad_drawing_is_the_only_one_lost(convert, tmp_path):
    for data, reason in [
        (b"no image", Reason.TIF),
        (tif(1)[:40], Reason.TIF),
        (bytes(LIMIT), Reason.LARGE),
        (None, Reason.MISSING),
    ]:
        files = contents(1)
        del files[SHEET]
        outcome = convert(zipped(files if data is None else {**files, SHEET: data}))
        assert reasons(outcome) == [(reason, SHEET)], f"{reason=}"
        assert len(outcome.record["drawings"]) == len(files_below(tmp_path / "drawings")) == 3, f"{reason=}"


def test_the_limit_counts_all_files_together(convert):
    files = {**contents(1, 0), **{f"{NAME}-D{sheet:05d}.TIF": tif(sheet, compression="raw") for sheet in range(4)}}
    sizes = [len(data) for data in files.values()]
    outcome = convert(zipped(files), limit=sum(sizes) - 1)
    assert reasons(outcome) == [(Reason.LARGE, f"{NAME}-D00003.TIF")] and len(outcome.record["drawings"]) == 3
    assert not convert(zipped(files), limit=sum(sizes)).skips


def test_files_of_no_patent_are_reported(convert, tmp_path):
    extra = {
        "readme.txt": b"",
        "nested.ZIP": patent_zip(2),
        f"{name_of(2)}-D00000.TIF": tif(9),
        f"../../../{NAME}-D00009.TIF": tif(9),
        f"twice/{SHEET}": tif(9),
    }
    outcome = convert(zipped({**contents(1), **extra}))
    assert sorted(reasons(outcome)) == sorted(
        [
            (Reason.NO_DRAWING, "readme.txt"),
            (Reason.NO_DRAWING, "nested.ZIP"),
            (Reason.NO_DRAWING, f"{name_of(2)}-D00000.TIF"),
            (Reason.UNSAFE, f"{NAME}-D00009.TIF"),
            (Reason.TWICE, f"twice/{SHEET}"),
        ]
    )
    assert len(outcome.record["drawings"]) == len(files_below(tmp_path)) - 1 == 4  # one.tar is there too


@pytest.mark.parametrize(
    "data, reason, message",
    [
        (b"no zip", Reason.DAMAGED, "not a complete ZIP file"),
        (patent_zip(1)[:-9], Reason.DAMAGED, "not a complete ZIP file"),
        (zipped({SHEET: tif(1)}), Reason.XML, f"there is no {NAME}.XML"),
        (patent_zip(2), Reason.XML, f"there is no {NAME}.XML"),
        (zipped({**contents(1), f"{NAME}.XML": xml(2)}), Reason.XML, f"that of {name_of(2)}"),
        (zipped(contents(1, 0)), Reason.EMPTY, "none of its drawings"),
        (zipped({**contents(1, 1), f"{NAME}-D00000.TIF": b""}), Reason.EMPTY, "none of its drawings"),
    ],
)
def test_a_patent_that_is_refused_leaves_nothing(convert, tmp_path, data, reason, message):
    outcome = convert(data)
    skip = outcome.skips[-1]
    assert outcome.record is None and skip.reason == reason and message in skip.detail
    assert list(files_below(tmp_path)) == ["one.tar"]
    assert skip.member == member_name(1)


def test_an_existing_folder_is_replaced(convert, tmp_path):
    convert(patent_zip(1, drawings=6))
    half = tmp_path / "drawings/I20210105" / f".{NAME}"
    half.mkdir()
    (half / f"{NAME}-D00000.png").touch()  # of a killed run
    convert(patent_zip(1, drawings=2))
    assert sorted(files_below(tmp_path / "drawings")) == [f"{FOLDER}/{NAME}-D{sheet:05d}.png" for sheet in range(2)]


def test_a_full_disk_names_the_folder_and_leaves_no_part(convert, tmp_path, monkeypatch):
    real = patent_module.sheet_to_png

    def full(data):
        if data == tif(102):
            raise OSError(28, "No space left on device")
        return real(data)

    monkeypatch.setattr(patent_module, "sheet_to_png", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        convert(patent_zip(1))
    assert caught.value.filename == str(tmp_path / "drawings" / FOLDER)
    assert not os.listdir(tmp_path / "drawings/I20210105")
