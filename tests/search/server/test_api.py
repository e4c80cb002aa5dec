"""The API: searches as by `search`, facts, facets, pictures, and what wrong requests are answered."""

import io

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from fastpatent.search.index import open_index
from fastpatent.search.query import Query, View, search, views_of
from fastpatent.search.record import record
from tests.search.server.conftest import application
from tests.small_index import PNG, write_index


@pytest.fixture(scope="module")
def index(index_folder):
    return open_index(index_folder)


def without_pictures(found):
    """A record without its date, what the API adds, and with the index's folder alone of the places."""
    for answer in found["answers"]:
        answer.pop("url", None)
        answer["drawings"] = [{key: each[key] for key in ("row", "path", "cosine")} for each in answer["drawings"]]
    return {key: value for key, value in found.items() if key != "date"}


def expected(index, query, where="", k=20):
    return without_pictures(record(index, search(index, query, where, k)))


def test_a_search_is_that_of_the_shell(client, index, index_folder):
    drawing = index_folder.parent / "d/p1/3.png"
    uploaded = client.post("/api/uploads", content=drawing.read_bytes())
    assert uploaded.status_code == 201
    identity = uploaded.json()["id"]
    view = View(Image.open(drawing), (3, 5, 20, 30), True, name=f"upload {identity}")
    params = {
        "drawing": [f"upload:{identity};crop=3,5,20,30;mirror", "patent:p4"],
        "minus": "patent:p0",
        "where": "date>=2016",
        "k": 3,
    }
    found = client.get("/api/search", params=params).json()
    query = Query([view, *views_of(index, "p4")], minus=views_of(index, "p0"))
    assert without_pictures(found) == expected(index, query, "date>=2016", 3)
    row = index.rows_of("p2")[1]
    digest = index.name(row)
    found = client.get("/api/search", params={"drawing": f"drawing:{digest};mirror", "expand": 2}).json()
    assert without_pictures(found) == expected(index, Query([View(int(row), mirror=True)], expand=2))


def test_pictures(client, index, index_folder):
    first = client.get("/api/search", params={"drawing": "patent:p4", "k": 1}).json()["answers"][0]
    best = first["drawings"][0]
    thumbnail = client.get(best["thumbnail"])
    assert thumbnail.content == index.thumbnail(best["row"]) and "immutable" in thumbnail.headers["cache-control"]
    large = Image.open(io.BytesIO(client.get(best["image"]).content))
    np.testing.assert_array_equal(np.asarray(large), np.asarray(Image.open(best["path"]).convert("L")))
    facts = client.get(first["url"]).json()
    assert facts["patent"] == first["patent"] and facts["title"] == first["title"] and len(facts["drawings"]) == 2


def test_drawings_as_files_of_a_form(client, index, index_folder):
    paths = [index_folder.parent / "d" / name for name in ("p1/2.png", "p3/7.png", "p0/0.png")]
    files = [(name, (path.name, path.read_bytes())) for name, path in zip(("drawing", "drawing", "minus"), paths)]
    found = client.post("/api/search", files=files, data={"k": "4", "minus_weight": "0.25"}).json()
    views = [View(Image.open(path)) for path in paths]
    same = search(index, Query(views[:2], minus=views[2:], minus_weight=0.25), "", 4)
    assert [(answer["patent"], answer["score"]) for answer in found["answers"]] == [
        (answer.patent, answer.score) for answer in same.answers
    ]
    assert [each["name"].split()[0] for each in found["query"]["drawings"]] == ["upload", "upload"]


def test_facets_and_counts(client):
    found = client.get("/api/facets", params={"where": "date>=2017 and not patent=p5"}).json()
    assert (found["drawings"], found["patents"]) == (6, 3)
    assert found["values"]["class"] == [{"value": "D6", "patents": 2}, {"value": "D7", "patents": 1}]
    assert found["values"]["year"] == [{"value": str(year), "patents": 1} for year in (2017, 2018, 2019)]
    client.get("/api/search", params={"drawing": "patent:p1"})
    counts = client.get("/metrics").text
    for line in (
        'fastpatent_requests_total{method="GET",route="/api/facets",status="200"} 1.0',
        "fastpatent_batch_queries_sum 1.0",
        "fastpatent_index_generation 1.0",
        "fastpatent_index_drawings 12.0",
        "fastpatent_waiting_queries 0.0",
    ):
        assert line in counts.splitlines()


def test_a_drawing_whose_file_is_gone_is_its_thumbnail(index_folder, tmp_path):
    write_index(tmp_path / "i", np.eye(3), ["a", "b", "c"])
    digest = (1).to_bytes(16, "big").hex()
    with TestClient(application(tmp_path / "i", tmp_path), base_url="http://localhost") as client:
        assert client.get(f"/drawings/{digest}.png").content == PNG
        answer = client.get(f"/api/drawings/{digest}")
        assert answer.status_code == 422 and "No such file" in answer.json()["error"]
        while client.get("/healthz").json().get("network") == "loading":
            pass
        answer = client.get("/healthz")
        assert answer.status_code == 503 and "MODEL.WEIGHTS is empty" in answer.json()["error"]
    with TestClient(application(tmp_path / "i", tmp_path, token="t"), base_url="http://localhost") as client:
        while client.get("/healthz").json().get("network") == "loading":
            pass
        answer = client.get("/healthz")
        assert answer.status_code == 503 and answer.json()["error"] == "the log of the server says what is wrong"


@pytest.mark.parametrize(
    "path, status, message",
    [
        ("/api/search", 400, "the query is empty"),
        ("/api/search?where=date>=2018", 400, "the query is empty"),
        ("/api/search?text=a+chair", 400, "its network reads no text"),
        ("/api/search?drawing=patent:p9", 400, "has no patent p9"),
        (f"/api/search?drawing=upload:{'0' * 32}", 400, "upload the drawing again"),
        (f"/api/search?drawing=drawing:{'0' * 32}", 400, "has no drawing"),
        ("/api/search?drawing=/etc/passwd", 400, "is no drawing: write upload:ID"),
        ("/api/search?drawing=patent:p1&where=patent+in+@/etc/passwd", 400, "for the command line alone"),
        ("/api/search?drawing=patent:p1&where=colour=red", 400, "a field 'colour', which no index has"),
        ("/api/search?drawin=patent:p1", 400, "there is no parameter 'drawin'; did you mean drawing"),
        ("/api/search?" + "&".join(["drawing=patent:p1"] * 20 + ["minus=patent:p2"] * 20), 200, None),
        ("/api/patents/p9", 404, "no patent of this name"),
        ("/api/facets?where=(", 400, "the filter has to go on with"),
        ("/api/facets?where=" + "a" * 2001, 422, "at most 2000 characters"),
        (f"/uploads/{'0' * 32}.png", 404, "no such upload"),
        ("/thumbnails/..%2f..%2fmanifest.png", 404, "Not Found"),
        (f"/drawings/{'0' * 32}.png", 404, "no such drawing"),
        ("/api/none", 404, "Not Found"),
    ],
)
def test_what_is_wrong_is_one_sentence(client, path, status, message):
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert message is None or message in answer.json()["error"]


def test_wrong_uploads_are_one_sentence(client):
    for body, status, message in (
        (b"%PDF-1.4 /Type /Page", 415, "the upload: it is a PDF of 1 page, not an image; `pdfimages"),
        (b"\x89PNG\r\n\x1a\n", 422, "the upload: cannot be read as a drawing"),
        (bytes(32 * 10**6 + 1), 413, "more than 32,000,000 bytes"),
    ):
        answer = client.post("/api/uploads", content=body)
        assert answer.status_code == status and message in answer.json()["error"], answer.text
    answer = client.post("/api/uploads", data={"drawing": "x"}, files={"other": b"x"})
    assert answer.status_code == 400 and "no file in the field drawing" in answer.json()["error"]
    escape = client.post("/api/uploads", files={"drawing": ("\u202ea.png", b"x")})
    assert r"\u202ea.png: it is no PNG" in escape.json()["error"]
    assert client.delete("/api/search").status_code == 405


def test_a_bug_is_no_traceback(index_folder, tmp_path, monkeypatch):
    app = application(index_folder, tmp_path)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        monkeypatch.setattr(app.state.searcher, "search", None)
        answer = client.get("/api/search?drawing=patent:p1")
        assert answer.status_code == 500 and answer.json() == {
            "error": "something went wrong here; the log of the server says what"
        }
        assert "content-security-policy" in answer.headers
