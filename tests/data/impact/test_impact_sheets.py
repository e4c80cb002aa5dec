"""Finding sheets in every layout that archives unpack to."""

from fastpatent.data.impact.sheets import SheetFinder

NAME = "USD0907292-20210105"
SHEETS = [f"{NAME}-D{number:05d}.TIF" for number in range(3)]


def make(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_every_layout(tmp_path):
    for place in [
        NAME,
        f"patents/{NAME}",
        f"I20210105/{NAME}",
        f"I20210105/DESIGN/{NAME}",
        f"train_data/patent_data/I20210105/{NAME}",
        f"2021/{NAME}",  # beside its CSV file
    ]:
        root = tmp_path / place.replace("/", "-")
        make(root / "2021", [])
        make(root / place, [*SHEETS, f"{NAME}.XML"])
        found = SheetFinder(root, [root / "2021"]).find(NAME, SHEETS)
        assert found == {sheet: str(root / place / sheet) for sheet in SHEETS}, place


def test_every_format(tmp_path):
    for there, taken in [
        (["TIF"], "TIF"),
        (["tif"], "tif"),
        (["png"], "png"),
        (["PNG", "XML", "txt"], "PNG"),
        (["jpg", "png"], "png"),
        (["png", "TIF"], "TIF"),  # of that very name
        (["XML", "txt"], None),
    ]:
        root = tmp_path / "-".join(there)
        make(root / NAME, [f"{NAME}-D00001.{suffix}" for suffix in there])
        found = SheetFinder(root).find(NAME, SHEETS)
        assert found == ({SHEETS[1]: str(root / NAME / f"{NAME}-D00001.{taken}")} if taken else {}), there


def test_patents_in_several_places(tmp_path):
    other = NAME.replace("907292", "907293")
    make(tmp_path / NAME, SHEETS)
    make(tmp_path / "patents" / other, [SHEETS[0].replace(NAME, other)])
    finder = SheetFinder(tmp_path)
    for _ in range(2):
        assert list(finder.find(NAME, SHEETS)) == SHEETS
        assert len(finder.find(other, [sheet.replace(NAME, other) for sheet in SHEETS])) == 1
    assert finder.find(NAME.replace("2021", "2020"), SHEETS) == {}
