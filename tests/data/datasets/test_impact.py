"""IMPACT read from its CSV files: a real sample against the csv module, and synthetic tables with every fault."""

import ast
import csv
import os
import tracemalloc

import pytest

from fastpatent.data.datasets import DATASETS
from fastpatent.data.datasets.impact import split_patents
from fastpatent.data.impact.patents import read_patents
from fastpatent.data.records import PARTS
from fastpatent.errors import DataError

COLUMNS = "title,id,claim,date,class,class_search,inv_country,no_figs,sheets,file_names,fig_desc,caption".split(",")


def names(number, sheets=3):
    return [f"USD{number:07d}-20210105-D{sheet:05d}.TIF" for sheet in range(sheets)]


def row(number, sheets=3, **fields):
    """A row of the table: patent `number` with a front page and sheets - 1 figures, one per sheet."""
    figures = [f"FIG. {figure} is view {figure} of {number};" for figure in range(1, sheets)]
    texts = {"title": f"Title {number}", "class": f"D{number % 30 + 1:2d}100", "caption": f" Caption {number}. "}
    lists = {"file_names": str(names(number, sheets)), "fig_desc": str(figures)}
    return {**dict.fromkeys(COLUMNS, "1"), **texts, **lists, **fields}


@pytest.fixture
def write(tmp_path):
    """Function (rows, name="2021.csv", sheets=True) that writes a table and empty files for its sheets; returns its path."""

    def write_table(rows, name="2021.csv", sheets=True, columns=COLUMNS):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        for number in range(len(rows) if sheets else 0):
            folder = path.parent / f"USD{number:07d}-20210105"
            folder.mkdir()
            for sheet in names(number):
                (folder / sheet).touch()
        return path

    return write_table


def every(splits):
    return [sample for part in PARTS for sample in getattr(splits, part)]


def faults(splits):
    return {kind: cases for kind, cases in splits.skipped.items() if cases}


@pytest.mark.parametrize("kind, column", [("caption", "caption"), ("title", "title")])
def test_real_patents(shared, cfg, kind, column):
    cfg.DATASETS.ROOT, cfg.DATASETS.CAPTIONS.TEXT = str(shared / "impact"), kind
    splits = DATASETS.get("Impact")(cfg)
    expected = {}
    with open(shared / "impact/sample.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for listed in table:
        for name in ast.literal_eval(listed["file_names"]):
            path = str(shared / "impact/patents" / name[:19] / name)
            expected[path] = (name[:19], listed[column].strip(), "D" + listed["class"][1:3].strip())
    assert {sample.path: (sample.identity, sample.caption, sample.category) for sample in every(splits)} == expected
    assert len(expected) == len(list((shared / "impact/patents").glob("*/*.TIF"))) and faults(splits) == {}


def test_split_is_by_patent_and_has_its_queries(write, tmp_path):
    write([row(number) for number in range(20)])
    splits = split_patents(tmp_path, "caption", 0.2, 0)
    train, query, gallery = ({sample.identity for sample in getattr(splits, part)} for part in PARTS)
    assert len(train) == 16 and len(query) == 4 and query == gallery and not train & query
    assert len(splits.query) == 4 and len(every(splits)) == len(set(every(splits))) == 60
    assert len({tuple(sorted(split_patents(tmp_path, "caption", 0.2, seed).query)) for seed in range(5)}) == 5


def test_split_depends_on_names_alone(write, tmp_path):
    """Not on the text, the order of rows, the year's file or the format of the sheets."""
    rows = [row(number) for number in range(20)]
    write(rows)
    before = split_patents(tmp_path, "caption", 0.3, 1)
    write([{**listed, "fig_desc": "no list"} for listed in rows[:9:-1]], sheets=False)
    write(rows[:10], "2020.csv", sheets=False)
    for path in tmp_path.glob("*/*.TIF"):
        path.rename(path.with_suffix(".png"))
    after = split_patents(tmp_path, "description", 0.3, 1)
    for part in PARTS:
        stems = [{os.path.splitext(sample.path)[0] for sample in getattr(splits, part)} for splits in (before, after)]
        assert stems[0] == stems[1] and stems[0]


def test_descriptions_follow_the_sheets(write, tmp_path):
    write([row(number) for number in range(4)])
    samples = every(split_patents(tmp_path, "description", 0.5, 0))
    captions = {os.path.basename(sample.path): sample.caption for sample in samples}
    for number in range(4):
        for sheet, name in enumerate(names(number)):
            assert captions[name] == f"FIG. {max(sheet, 1)} is view {max(sheet, 1)} of {number};"


def test_faults_are_reported_and_the_rest_is_read(write, tmp_path):
    rows = [row(number) for number in range(12)]
    rows[2]["file_names"] = "[__import__('os').getcwd()]"
    rows[3]["file_names"] = str([*names(3), *names(4)])
    rows[5]["file_names"] = str(["../../etc/USD0000005-20210105-D00001.TIF"])
    rows[6]["file_names"] = "[]"
    rows[7]["caption"] = "  "
    rows[8]["class"] = "348143"
    rows[10] = row(1, title="another title of 1")
    path = write(rows)
    for name in (*names(9), names(11)[1]):
        (tmp_path / name[:19] / name).unlink()
    splits = split_patents(tmp_path, "caption", 0.3, 0)
    found = {sample.identity: sample for sample in every(splits)}
    assert sorted(int(identity[3:10]) for identity in found) == [0, 1, 4, 7, 8, 11]
    assert found["USD0000007-20210105"].caption is None and found["USD0000008-20210105"].category is None
    assert found["USD0000001-20210105"].caption == "Caption 1."
    assert faults(splits) == {
        "malformed row": [
            f"{path}:4: file_names is not a list of file names: \"[__import__('os').getcwd()]\"",
            f"{path}:5: file_names are not the sheets of one patent: {rows[3]['file_names'][:60]!r}",
            f"{path}:7: file_names are not the sheets of one patent: {rows[5]['file_names'][:60]!r}",
            f"{path}:8: file_names is not a list of file names: '[]'",
        ],
        "missing sheet": [
            f"{path}:11: 3 of 3 sheets missing, first {names(9)[0]}",
            f"{path}:13: 1 of 3 sheets missing, first {names(11)[1]}",
        ],
        "patent listed twice": [f"{path}:12: USD0000001-20210105 was in an earlier row"],
        "without a text": [f"{path}:9: USD0000007-20210105 has no caption"],
    }


def test_malformed_descriptions_lose_no_patent(write, tmp_path):
    path = write([row(number, fig_desc="[1, 2" if number == 1 else "[]") for number in range(4)])
    splits = split_patents(tmp_path, "description", 0.5, 0)
    assert sorted({sample.caption for sample in every(splits)}) == [f"Title {number}" for number in range(4)]
    assert faults(splits) == {"malformed row": [f"{path}:3: fig_desc is not a list of texts: '[1, 2'; the title is used"]}


def test_years_in_folders_beside_tables_of_others(write, tmp_path):
    write([row(number) for number in range(4)], "2020/processed_xml_2020.csv")
    (tmp_path / "pairs.csv").write_text("filepath,caption\na.png,a\n")
    (tmp_path / "USD0000000-20210105").mkdir()
    (tmp_path / "USD0000000-20210105/not_looked_at.csv").write_bytes(b"\xff")
    assert {os.path.relpath(os.path.dirname(s.path), tmp_path) for s in every(split_patents(tmp_path, "title", 0.5, 0))} == {
        f"2020/USD{number:07d}-20210105" for number in range(4)
    }


def test_tables_that_cannot_be_used_are_refused(write, tmp_path):
    with pytest.raises(DataError, match=r"no CSV file with the columns of IMPACT .* \(DATASETS.ROOT\)"):
        split_patents(tmp_path, "caption", 0.2, 0)
    with pytest.raises(DataError, match=r"nowhere: No such file or directory \(DATASETS.ROOT\)"):
        split_patents(tmp_path / "nowhere", "caption", 0.2, 0)
    rows = [row(number) for number in range(3)]
    path = write(rows, sheets=False)
    message = r"0 patents with sheets; Impact needs at least two.* patents,.*2021.csv:2: 3 of 3 sheets missing"
    with pytest.raises(DataError, match=message):
        split_patents(tmp_path, "caption", 0.2, 0)
    write(rows, columns=[*COLUMNS[:-1], "captions"])
    with pytest.raises(DataError, match="2021.csv: no column is called caption; did you mean captions?"):
        split_patents(tmp_path, "caption", 0.2, 0)
    assert len(every(split_patents(tmp_path, "title", 0.4, 0))) == 9  # a column that is not wanted may lack
    path.write_bytes(path.read_bytes().replace(b"Title 1", b"Caf\xe9 1"))
    with pytest.raises(DataError, match="2021.csv:3: not UTF-8 text"):
        split_patents(tmp_path, "title", 0.2, 0)


def test_rows_are_read_one_by_one(write):
    path = write([row(number, claim="what is claimed " * 300) for number in range(2000)], sheets=False)
    tracemalloc.start()
    count = sum(1 for _ in read_patents(path, "caption", {}))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 2000 and peak < 2**20 < path.stat().st_size / 8
