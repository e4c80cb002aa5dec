"""An index of the figures of sheets, served: what figures are called, their pictures, and sheets that are uploaded."""

import csv
import io
import shutil

import pytest
from PIL import Image
from starlette.testclient import TestClient

from fastpatent.commands import main
from fastpatent.search.figures import split_sheet
from fastpatent.search.index import open_index
from fastpatent.search.query import Query, search, views_of
from fastpatent.search.record import record, result_page, write_result_csv
from tests.search.server.conftest import application
from tests.search.test_build import PIXELS, write_sheet
from tests.small_sets import write_drawing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An index I of a drawing p0, a sheet of two figures p1, and a copy of it p2, which lie below d."""
    root = tmp_path_factory.mktemp("sheets")
    write_drawing(root / "d/p0/0.png", 0)
    write_sheet(root / "d/p1/sheet.png")
    shutil.copytree(root / "d/p1", root / "d/p2")
    assert main(["index", "build", str(root / "d"), "--out", str(root / "I"), *PIXELS]) == 0
    return root


@pytest.fixture
def client(folder, tmp_path):
    with TestClient(application(folder / "I", tmp_path), base_url="http://localhost") as client:
        yield client


def test_figures_have_names_of_their_own(folder):
    index = open_index(folder / "I")
    names = [index.name(row) for row in range(5)]
    assert names[2] == f"{names[1]}-1" and names[3:] == names[1:3] and names[0] not in names[1:]
    assert [index.row_of(name) for name in names] == [0, 1, 2, 1, 2]  # a copy has the name of the first
    wrong = [f"{names[0]}-1", f"{names[1]}-2", f"{names[1]}-0", f"{names[1]}-01", "0" * 32, "", names[0].upper() + "x"]
    assert [index.row_of(name) for name in wrong] == [None] * len(wrong)


def test_the_picture_of_a_figure_is_cut_from_its_sheet(client, folder):
    figures = write_sheet(folder / "again.png")
    drawings = client.get("/api/patents/p1").json()["drawings"]
    for each, figure in zip(drawings, figures, strict=True):
        large = Image.open(io.BytesIO(client.get(each["image"]).content))
        assert large.size == figure.size and large.tobytes() == figure.tobytes()
        described = client.get(f"/api/drawings/{each['id']}").json()
        assert (described["width"], described["height"], described["patent"]) == (*figure.size, "p1")
    assert client.get(drawings[0]["thumbnail"]).content != client.get(drawings[1]["thumbnail"]).content


def test_a_sheet_that_is_uploaded_is_asked_by_its_figures(client, folder):
    sheet = folder / "d/p1/sheet.png"
    count = len(split_sheet(Image.open(sheet)))
    identity = client.post("/api/uploads", content=sheet.read_bytes()).json()["id"]
    drawing = f"drawing=upload:{identity}"
    found = client.get(f"/api/search?{drawing}").json()
    assert len(found["query"]["drawings"]) == count == 2
    assert [answer["patent"] for answer in found["answers"]] == ["p1", "p2", "p0"]
    assert found["answers"][0]["cosine"] == pytest.approx(1, abs=1e-5)
    page = client.get(f"/?{drawing}&drawing=patent:p0&minus=upload:{identity}&own=1").text
    assert page.count("a sheet of 2 figures, each a view") == 2
    figure = client.get("/api/patents/p1").json()["drawings"][1]["id"]
    compared = client.get(f"/compare?{drawing}&with={figure}").text
    assert "cosine 1.000" in compared and compared.count("data:image/png") >= 2  # the figure that is nearest, cut out
    one = client.get(f"/api/search?{drawing};crop=0,0,600,900").json()
    assert len(one["query"]["drawings"]) == 1


def test_it_is_said_which_figure_of_a_sheet_is_meant(client, folder, tmp_path):
    boxes = [",".join(map(str, figure[:4])) for figure in split_sheet(Image.open(folder / "d/p1/sheet.png"))]
    sheet, index = str(folder / "d/p1/sheet.png"), open_index(folder / "I")
    result = search(index, Query(views_of(index, "p1"), own=True), "patent=p1")
    assert [view["name"] for view in record(index, result)["query"]["drawings"]] == [
        f"{sheet} (figure at {box})" for box in boxes
    ]
    write_result_csv(tmp_path / "a.csv", index, [("q", result)])
    with open(tmp_path / "a.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    (answer,) = record(index, result)["answers"]
    best = ",".join(map(str, answer["drawings"][0]["figure"][:4]))
    assert row["best_drawing"] == sheet and row["best_figure"] == best and best in boxes
    pages = result_page(index, "q", result), client.get("/?drawing=patent:p1&own=1&where=patent=p1").text
    assert all(f"sheet.png (figure at {box})" in page for page in pages for box in boxes)
    described = client.get("/api/patents/p1").json()["drawings"]
    assert [",".join(map(str, each["figure"][:4])) for each in described] == boxes
    assert client.get("/api/patents/p0").json()["drawings"][0]["figure"] == []
