"""Finding sheets in every layout that archives unpack to."""

import pytest

from fastpatent.data.impact.sheets import SheetFinder

NAME = "USD0907292-20210105"
SHEETS = [f"{NAME}-D{number:05d}.TIF" for number in range(3)]


def make(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


@pytest.mark.parametrize(
    "place",
    [
        NAME,
        f"patents/{NAME}",
        f"I20210105/{NAME}",
        f"I20210105/DESIGN/{NAME}",
        f"train_data/patent_data/I20210105/{NAME}",
        f"2021/{NAME}",  # beside its CSV file
    ],
)
def test_every_layout(tmp_path, place):
    (tmp_path / "2021").mkdir()
    make(tmp_path / place, [*SHEETS, f"{NAME}.XML"])
    found = SheetFinder(tmp_path, [tmp_path / "2021"]).find(NAME, SHEETS)
    assert found == {sheet: str(tmp_path / place / sheet) for sheet in SHEETS}


@pytest.mark.parametrize(
    "there, taken",
    [
        (["TIF"], "TIF"),
        (["tif"], "tif"),
        (["png"], "png"),
        (["PNG", "XML", "txt"], "PNG"),
        (["jpg", "png"], "png"),
        (["png", "TIF"], "TIF"),  # of that very name
        (["XML", "txt"], None),
    ],
)
def test_every_format(tmp_path, there, taken):
    make(tmp_path / NAME, [f"{NAME}-D00001.{suffix}" for suffix in there])
    found = SheetFinder(tmp_path).find(NAME, SHEETS)
    assert found == ({SHEETS[1]: str(tmp_path / NAME / f"{NAME}-D00001.{taken}")} if taken else {})


def test_patents_in_several_places(tmp_path):
    other = NAME.replace("907292", "907293")
    make(tmp_path / NAME, SHEETS)
    make(tmp_path / "patents" / other, [SHEETS[0].replace(NAME, other)])
    finder = SheetFinder(tmp_path)
    for _ in range(2):
        assert list(finder.find(NAME, SHEETS)) == SHEETS
        assert len(finder.find(other, [sheet.replace(NAME, other) for sheet in SHEETS])) == 1
    assert finder.find(NAME.replace("2021", "2020"), SHEETS) == {}
