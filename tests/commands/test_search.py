"""`fastpatent search`, as a person would run it."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastpatent.commands import main
from fastpatent.search.index import open_index
from tests.search.test_build import PIXELS, feature, write_sheet
from tests.small_sets import write_drawing

DATES = {"p0": "2017-05-01", "p1": "2018-01-31", "p2": "2019-02-03", "p3": "2020-12-31", "USD0000001-20180101": "2018-01-01"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five patents of two drawings with metadata, their index I, and three new drawings."""
    root = tmp_path_factory.mktemp("search")
    for number, patent in enumerate(DATES):
        for view in range(2):
            write_drawing(root / f"d/{patent}/{view}.png", 2 * number + view)
    rows = [
        f"{patent},Chair =1+1 number {number},09-0{number + 1},{day}" for number, (patent, day) in enumerate(DATES.items())
    ]
    (root / "m.csv").write_text("\n".join(["patent,title,locarno,date", *rows]))
    for number in range(3):
        write_drawing(root / f"new/q{number}/a.png", 50 + number)
    write_drawing(root / "new/q1/b.png", 60)
    assert main(["index", "build", f"{root}/d", "--out", f"{root}/I", "--metadata", f"{root}/m.csv", *PIXELS]) == 0
    return root


@pytest.fixture
def run(folder, tmp_path, monkeypatch, capfd):
    """A function of words that runs `fastpatent search INDEX` in an empty folder -> (status, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        status = main(["search", f"{folder}/I", *map(str, words)])
        printed = capfd.readouterr()
        return status, printed.out, printed.err

    return run


def expected(folder, paths, patents=DATES):
    """[(patent, score)] by loops over the files, best first."""
    scores = {}
    for patent in patents:
        drawings = [feature(path) for path in (folder / "d" / patent).iterdir()]
        scores[patent] = np.mean([max(feature(path) @ drawing for drawing in drawings) for path in paths])
    return sorted(scores.items(), key=lambda item: -item[1])


def test_the_record_of_a_search(run, folder):
    a, b = folder / "new/q1/a.png", folder / "new/q1/b.png"
    options = (
        "--where",
        "date>=2018 and locarno != 09-04",
        "-k",
        2,
        "--csv",
        "a.csv",
        "--json",
        "a.json",
        "--html",
        "a.html",
    )
    status, out, _ = run(a, b, *options, "MODEL.DEVICE", "cpu")
    answers = expected(folder, [a, b], ["p1", "p2", "USD0000001-20180101"])[:2]
    assert status == 0 and "6 of 10 drawings that pass the filter date>=2018 and locarno != 09-04 compared" in out
    shown = re.findall(r"^ *\d +(-?\d\.\d{3}) +(-?\d\.\d{3}) +[\d.]+ % +(\S+)", out, re.MULTILINE)
    assert shown == [(f"{score:.3f}", f"{score:.3f}", patent) for patent, score in answers]
    stored, index = json.loads(Path("a.json").read_text()), open_index(folder / "I")
    assert [answer["patent"] for answer in stored["answers"]] == [patent for patent, _ in answers]
    np.testing.assert_allclose([answer["score"] for answer in stored["answers"]], [score for _, score in answers], atol=1e-5)
    assert stored["index"]["network"] == index.manifest["network"]["digest"] and stored["index"]["generation"] == 1
    assert [view["name"] for view in stored["query"]["drawings"]] == [str(a), str(b)] and stored["compared"] == 6
    for answer in stored["answers"]:
        assert answer["date"] == DATES[answer["patent"]] and len(answer["drawings"]) == 2
        assert Path(answer["drawings"][0]["path"]).parent.name == answer["patent"]
    with open("a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, answer in zip(rows, stored["answers"], strict=True):
        assert row["patent"] == answer["patent"] and float(row["score"]) == answer["score"]
        assert row["best_drawing"] == answer["drawings"][0]["path"] and row["title"] == answer["title"]
    page = Path("a.html").read_text()
    assert page.count("<img ") == 2 + 4 and index.manifest["network"]["digest"] in page and "generation 1" in page
    assert "date&gt;=2018 and locarno != 09-04" in page and str(a) in page and stored["date"] in page


def test_patents_are_queries_and_their_own_is_no_answer(run, folder):
    status, out, _ = run("USD0000001-20180101", "--json", "a.json")  # in capitals, as a key is
    assert status == 0 and "no answers: USD0000001-20180101" in out
    paths = sorted((folder / "d/USD0000001-20180101").iterdir())
    found = [answer["patent"] for answer in json.loads(Path("a.json").read_text())["answers"]]
    assert found == [patent for patent, _ in expected(folder, paths, [*DATES][:4])]
    assert run("p0", "--own", "-k", "1", "--json", "b.json")[0] == 0
    assert [answer["patent"] for answer in json.loads(Path("b.json").read_text())["answers"]] == ["p0"]
    status, out, _ = run("p0", folder / "d/p1/0.png", "--exclude", "p2", "--minus", "p3", "--expand", 2, "--json", "c.json")
    stored = json.loads(Path("c.json").read_text())
    assert status == 0 and {answer["patent"] for answer in stored["answers"]} == {"p3", "USD0000001-20180101"}
    assert stored["query"]["excluded"] == ["p2", "p0", "p1"] and len(stored["query"]["minus"]) == 2


def test_crops_of_several_drawings_and_lists_of_patents(run, folder):
    a = folder / "new/q0/a.png"
    Path("list.txt").write_text("p1\np2\n")
    status, *_ = run(
        a, a, "--crop", "-", "--crop", "1,2,20,30", "--mirror", "--where", "patent in @list.txt", "--json", "a.json"
    )
    stored = json.loads(Path("a.json").read_text())
    Image.open(a).crop((1, 2, 21, 32)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("b.png")
    Image.open(a).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("c.png")
    answers = expected(folder, ["b.png", "c.png"], ["p1", "p2"])
    assert status == 0 and [answer["patent"] for answer in stored["answers"]] == [patent for patent, _ in answers]
    np.testing.assert_allclose([answer["score"] for answer in stored["answers"]], [score for _, score in answers], atol=1e-5)
    assert stored["query"]["drawings"][1] == {
        "name": str(a),
        "crop": [1, 2, 20, 30],
        "blanks": [],
        "turn": 0,
        "mirror": True,
    }


def test_sheets_are_split_unless_they_shall_be_whole(run, folder):
    write_sheet(Path("sheet.png"))
    status, out, _ = run("sheet.png", "--json", "a.json", "--html", "a.html")
    drawings = json.loads(Path("a.json").read_text())["query"]["drawings"]
    assert status == 0 and "--whole takes them as they are" in out and "query: sheet.png, 2 views" in out
    assert len(drawings) == 2 and all(drawing["turn"] == 3 and drawing["crop"] for drawing in drawings)
    assert "turned by 270 degrees" in Path("a.html").read_text()
    for words in (("--whole",), ("--crop", "0,0,300,300")):
        assert "views" not in run("sheet.png", *words)[1]


def test_a_folder_of_queries_gets_a_report_of_each(run, folder, tmp_path):
    (tmp_path / "q").symlink_to(folder / "new")
    (folder / "new/q2/broken.png").write_bytes(b"no image")
    status, out, err = run("--each", folder / "new", "--out", "reports", "-k", 3)
    assert status == 0 and "written: 3 reports in reports" in out and "broken.png: cannot be read" in err
    names = [f"000{number + 1}-q{number}" for number in range(3)]
    assert sorted(path.name for path in Path("reports").iterdir()) == sorted(
        ["all.csv", *(f"{name}{suffix}" for name in names for suffix in (".csv", ".html"))]
    )
    with open("reports/all.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, name in enumerate(names):
        with open(f"reports/{name}.csv", newline="") as file:
            own = list(csv.DictReader(file))
        assert own == [row for row in rows if row["query"] == f"q{number}"]
        paths = [path for path in (folder / f"new/q{number}").iterdir() if path.name != "broken.png"]
        assert [row["patent"] for row in own] == [patent for patent, _ in expected(folder, paths)[:3]]
    (folder / "new/q2/broken.png").unlink()
    status, _, err = run("--each", folder / "new", "--out", "reports")
    assert status == 1 and "--out reports: is there already, and nothing is overwritten" in err


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "the query is empty: give a drawing, a patent of the index, or a text"),
        (["--text", "a chair"], "its network reads no text"),
        (["none.png"], "none.png: no such drawing"),
        (["USD0000001-2018"], "has no patent USD0000001-2018; did you mean USD0000001-20180101?"),
        (["new"], "new: is a folder; name drawings, which are views of one design, or give --each"),
        (["a.pdf"], "a.pdf: cannot be read as a drawing: it is a PDF of 1 page, not an image"),
        (["p0", "--where", "datum>2018"], "a field 'datum', which no index has; did you mean date?"),
        (["p0", "--where", "class=D9"], "knows no class of its drawings"),
        (["p0", "--crop", "1,2,3"], "--crop 1,2,3: write left, top, width and height in pixels"),
        (["p0", "--crop", "1,2,3,4"], "--crop: there are 2 drawings and 1 crops; give one for each, in their order, or -"),
        (["p0", "-k", "0"], "k is 0, not 1 or more"),
        (["p0", "--csv", "taken"], "--csv taken: is there already, and nothing is overwritten"),
        (["p0", "--json", "no/a.json"], "--json no/a.json: there is no folder no"),
        (["p0", "MODEL.DEVIC", "cpu"], "MODEL.DEVIC"),
        (["--each", "new"], "--each new: say where the reports are written, by --out REPORTS"),
        (["p0", "--each", "new", "--out", "r"], "every design of this folder is a query; drawings cannot be given too"),
        (["--each", "new", "--out", "r", "--csv", "x"], "--csv cannot be given too"),
        (["--each", "empty", "--out", "r"], "--each empty: there is no image in this folder"),
    ],
)
def test_mistakes_are_one_sentence(run, folder, words, message):
    Path("taken").write_text("mine")
    Path("a.pdf").write_bytes(b"%PDF-1.4 <</Type /Page>>")
    Path("empty").mkdir()
    Path("new").symlink_to(folder / "new")
    status, _, err = run(*words)
    assert status == 1 and err.startswith("error: ") and message in err and err.count("\n") == 1
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["a.pdf", "empty", "new", "taken"]


def test_an_index_of_a_newer_version(folder, tmp_path, capfd):
    manifest = json.loads((folder / "I/manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"version": 9}))
    for index, message in (
        (tmp_path, "written by a newer fastpatent"),
        (tmp_path / "no", "is no index"),
        ("", "is no index"),
    ):
        assert main(["search", str(index), "p0"]) == 1
        assert message in capfd.readouterr().err
    assert main(["search"]) == 1 and "give the folder of an index" in capfd.readouterr().err
