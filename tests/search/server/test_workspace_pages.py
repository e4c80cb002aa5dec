"""Shortlists, saved searches, the record and drawings side by side, in a real browser and by HTTP."""

import csv
import io
import json
import shutil
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from fastpatent.commands import main
from fastpatent.search.index import open_index
from tests.search.server.conftest import application, faults_of_access, running
from tests.search.test_build import PIXELS
from tests.small_sets import write_drawing

NOTE = "Same spout.\n=HYPERLINK <b>bold</b>"


@pytest.fixture
def uploaded(client, index_folder):
    """The address of a search by a file of the client, cropped."""
    file = (index_folder.parent / "d/p3/6.png").read_bytes()
    found = client.post("/api/uploads", files={"drawing": ("my <lamp>.png", file)}).json()
    return f"?drawing=upload:{found['id']};crop=2,1,20,25&where=class = D7&k=3"


def digests(index_folder, patent):
    index = open_index(index_folder)
    return [index.name(row) for row in index.rows_of(patent)]


def add(client, patent, **fields):
    return client.post("/shortlists/add", data={"patent": patent, **fields})


def test_a_shortlist_in_a_browser(visit, index_folder, tmp_path):
    """Begun, filled, noted, ordered, found after a restart, and deleted."""
    with running(application(index_folder, tmp_path)) as site:
        page = visit(f"{site}/shortlists", 390)
        page.get_by_label("New shortlist").fill("Lamps & more")
        page.get_by_role("button", name="Begin it").click()
        page.wait_for_selector("h1:text('Lamps & more')")
        page.goto(f"{site}/?drawing=patent:p2&own=1&k=3")
        for place in (0, 1, 0):
            page.locator(".patents > li").nth(place).get_by_role("button", name="shortlist").click()
            page.locator(".patents > li").nth(place).get_by_role("link", name="Lamps & more").wait_for()
        page.locator(".patents a", has_text="Lamps & more").first.click()
        page.wait_for_selector(".entries")
        assert page.locator(".entries > li").count() == 2
        assert page.evaluate("[...document.images].every((image) => image.naturalWidth)")
        names = page.locator(".entries h2").all_inner_texts()
        page.locator("textarea").first.fill(NOTE)
        page.locator("textarea").last.click()
        page.wait_for_selector("output:text('Saved')")
        page.get_by_role("button", name="Move down").click()
        page.wait_for_selector(f".entries > li:nth-child(2):has-text('{names[0][3:]}')")
        address = page.url.replace(site, "").partition("#")[0]
        assert faults_of_access(page) == []
    with running(application(index_folder, tmp_path)) as site:
        page = visit(f"{site}{address}", color_scheme="dark")
        assert page.locator(".entries h2").all_inner_texts() == [f"1. {names[1][3:]}", f"2. {names[0][3:]}"]
        assert page.locator("textarea").last.input_value() == NOTE
        assert faults_of_access(page) == []
        page.get_by_role("link", name="Search that found it").first.click()
        page.wait_for_selector(".patents")
        page.goto(f"{site}{address}")
        page.locator("summary").click()
        page.get_by_role("button", name="Delete the list").click()
        page.wait_for_url("**/shortlists")
        assert page.locator(".stored > li").count() == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_drawings_side_by_side_in_a_browser(visit, server, index_folder, width):
    digest, other = digests(index_folder, "p2")[0], digests(index_folder, "p4")[1]
    search = f"drawing=drawing:{digest};mirror&drawing=patent:p3&own=1"
    page = visit(f"{server}/compare?{search}&with={digest}&view=0", width, color_scheme="dark" if width == 390 else "light")
    page.wait_for_selector(".regions")
    pairs = page.locator(".regions li").count()
    picture = page.locator("svg.compared:visible")
    assert picture.count() == 1 and pairs and picture.locator(".pair line").count() == pairs
    assert picture.locator(".pair rect").count() == 2 * pairs == picture.locator(".pair text").count()
    assert f"{pairs} pairs of regions" in picture.get_attribute("aria-label")
    sheets = [sheet.bounding_box() for sheet in picture.locator(".sheet").all()]
    for box in picture.locator(".pair rect").all():  # each within one of the drawings
        inner = box.bounding_box()
        assert any(
            sheet["x"] - 3 <= inner["x"] and inner["x"] + inner["width"] <= sheet["x"] + sheet["width"] + 3
            and sheet["y"] - 3 <= inner["y"] and inner["y"] + inner["height"] <= sheet["y"] + sheet["height"] + 3
            for sheet in sheets
        )  # fmt: skip
    axis = "y" if width == 390 else "x"
    assert sheets[0][axis] + sheets[0]["height" if axis == "y" else "width"] <= sheets[1][axis] + 1
    assert page.locator(".strip").first.locator("li").count() == 3  # views of the query
    assert faults_of_access(page) == []
    rank = int(page.locator("main .facts span").last.inner_text().split(" of ")[0])
    page.get_by_role("link", name="Next answer").click()
    page.wait_for_selector(f"main .facts:has-text('{rank + 1} of 6')")
    page.goto(f"{server}/compare?{search}&with={other}")
    page.get_by_role("button", name="Add to shortlist").click()
    page.wait_for_selector("output:has-text('Added to Shortlist')")


def test_the_record_and_a_saved_search_in_a_browser(visit, server, index_folder, tmp_path):
    page = visit(f"{server}/")
    page.set_input_files("input[type=file][multiple]", str(index_folder.parent / "d/p3/6.png"))
    page.wait_for_selector(".patents")
    page.get_by_role("link", name="Record of this search").click()
    page.wait_for_selector(".saving")
    assert faults_of_access(page) == []
    with page.expect_download() as started:
        page.get_by_role("button", name="Download the page").click()
    text = started.value.path().read_text()
    assert "6.png" in text and open_index(index_folder).manifest["network"]["digest"] in text and "data:image/png" in text
    page.get_by_label("Name").fill("Lamp")
    page.locator(".saving button").click()
    page.wait_for_url("**/saved")
    page.get_by_role("link", name="What is new: Lamp").click()
    page.wait_for_selector("b:has-text('0 of 6 answers are new')")
    assert faults_of_access(page) == []


def test_the_record_has_all_that_was_asked_and_found(client, uploaded, index_folder):
    add(client, "p1", address=f"/{uploaded}")
    client.post("/shortlists/1/note", data={"patent": "p1", "note": NOTE})
    found = client.get(f"/record.json{uploaded}&shortlist=1")
    assert found.status_code == 200, found.text
    assert found.headers["content-disposition"] == 'attachment; filename="record.json"'
    record = json.loads(found.text)
    asked = record["query"]["drawings"][0]
    assert asked["crop"] == [2, 1, 20, 25] and asked["name"].startswith("my <lamp>.png (upload ")
    assert asked["picture"].startswith("data:image/png;base64,") and record["query"]["where"] == "class = D7"
    expected = client.get(f"/api/search{uploaded}").json()
    for name in ("index", "compared", "verdict"):
        assert record[name] == expected[name]
    assert [answer["patent"] for answer in record["answers"]] == [answer["patent"] for answer in expected["answers"]]
    assert record["shortlist"]["patents"][0]["note"] == NOTE and record["shortlist"]["patents"][0]["title"] == "chair 1"
    page = client.get(f"/record.html{uploaded}&shortlist=1").text
    for part in ("my &lt;lamp&gt;.png", "cropped to 2,1,20,25", "class = D7", record["index"]["network"], "generation 1",
                 "Same spout.<br>=HYPERLINK &lt;b&gt;bold", "default-src 'none'"):  # fmt: skip
        assert part in page
    assert client.get(f"/record{uploaded}").text.count("<tr>") == 1 + 3 + len(record_rows(client, uploaded))
    assert client.get("/record.pdf?drawing=patent:p0").status_code == 404
    assert client.get("/record").status_code == 400


def record_rows(client, uploaded):
    """The lines of the record on its page."""
    return client.get(f"/record{uploaded}").text.split('<th scope="row">')[1:]


def test_a_saved_search_says_what_is_new(index_folder, tmp_path):
    for name in ("d", "I"):
        shutil.copytree(index_folder.parent / name, tmp_path / name)
    with TestClient(application(tmp_path / "I", tmp_path), base_url="http://localhost") as client:
        address = "/?drawing=patent:p0&own=1&k=20"
        assert client.post("/saved", data={"name": "Kettles", "note": NOTE, "address": address}).url.path == "/saved"
        assert "0 of 6 answers are new" in client.get("/saved/1").text
    write_drawing(tmp_path / "d/p9/99.png", 1)
    assert main(["index", "add", str(tmp_path / "I"), str(tmp_path / "d"), *PIXELS[2:]]) == 0
    with TestClient(application(tmp_path / "I", tmp_path), base_url="http://localhost") as client:
        page = client.get("/saved/1").text
        assert "1 of 7 answers is new" in page and ">p9</a>" in page and ">p1</a>" not in page
        assert "generation 1; now it is generation 2" in page and "&lt;b&gt;bold" in page
        assert client.post("/saved/1/delete").url.path == "/saved"
        assert client.get("/saved/1").status_code == 404


def test_exports_of_a_shortlist(client, index_folder):
    client.post("/shortlists", data={"name": "=Lamps"})
    for patent in ("p1", "p2"):
        add(client, patent, address="/?drawing=patent:p0")
    client.post("/shortlists/1/note", data={"patent": "p2", "note": "=1+1"})
    client.post("/shortlists/1/up", data={"patent": "p2"})
    rows = list(csv.DictReader(io.StringIO(client.get("/shortlists/1/export.csv").text)))
    assert [row["patent"] for row in rows] == ["p2", "p1"] and rows[0]["note"] == "'=1+1"
    assert rows[0]["title"] == "lamp 2" and rows[0]["classes"] == "D6" and rows[0]["date"] == "2017-03-01"
    found = client.get("/shortlists/1/export.json").json()
    assert found["name"] == "=Lamps" and [each["note"] for each in found["patents"]] == ["=1+1", ""]
    page = client.get("/shortlists/1/export.html").text
    assert page.count("<img ") == 4 and "1. p2" in page and "default-src 'none'" in page
    assert client.get("/shortlists/1/export.pdf").status_code == 404


def test_what_is_wrong_is_a_sentence(client, index_folder):
    digest = digests(index_folder, "p0")[0]
    assert add(client, "p0").headers["location"] == "/shortlists/1#p0"
    for answer, status in (
        (add(client, "nobody"), 404),
        (add(client, "p0", shortlist="9"), 404),
        (add(client, "p0", shortlist="x"), 404),
        (add(client, "p0", address="/?k=x"), 400),
        (client.post("/shortlists", data={"name": " "}), 400),
        (client.post("/shortlists", data={"name": "x" * 201}), 400),
        (client.post("/shortlists/1/note", data={"patent": "p0", "note": "x" * 10_001}), 400),
        (client.post("/shortlists/1/turn", data={"patent": "p0"}), 404),
        (client.post("/shortlists/1/remove", data={"patent": "p1"}), 404),
        (client.get("/shortlists/7"), 404),
        (client.get(f"/shortlists/{10**30}"), 404),
        (client.post("/saved", data={"name": "x", "address": "/"}), 400),
        (client.post("/saved", data={"name": "x", "address": "//["}), 400),
        (client.get("/saved/3"), 404),
        (client.get(f"/compare?drawing=patent:p1&with={digest}&view=2"), 400),
        (client.get("/compare?drawing=patent:p1&with=zz"), 404),
        (client.post("/shortlists", data={"name": "x"}, headers={"origin": "http://evil.example"}), 403),
    ):
        assert answer.status_code == status, answer.text
        assert answer.json()["error"] and "\n" not in answer.json()["error"]


def test_a_drawing_whose_file_is_gone_is_compared_by_its_thumbnail(index_folder, tmp_path):
    for name in ("d", "I"):
        shutil.copytree(index_folder.parent / name, tmp_path / name)
    main(["index", "build", str(tmp_path / "d"), "--out", str(tmp_path / "I"), *PIXELS])
    digest = digests(tmp_path / "I", "p0")[0]
    shutil.rmtree(tmp_path / "d/p0")
    with TestClient(application(tmp_path / "I", tmp_path), base_url="http://localhost") as client:
        page = client.get(f"/compare?drawing=patent:p1&with={digest}&regions=1").text
        assert f"/thumbnails/{digest}.png" in page and 'class="regions"' in page


def test_names_with_any_letters_are_escaped(client, index_folder):
    client.post("/shortlists", data={"name": "<script>alert(1)</script>"})
    add(client, "p0", address=f"/?drawing=patent:p0&exclude={quote('p1')}")
    for path in ("/shortlists", "/shortlists/1", "/shortlists/1/export.html"):
        assert "<script>alert" not in client.get(path).text
    assert 'href="/?drawing=patent%3Ap0&amp;exclude=p1"' in client.get("/shortlists/1").text
