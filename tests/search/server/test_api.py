"""The API: searches as by `search`, facts, facets, pictures, and what wrong requests are answered."""

import io

import numpy as np
import pytest
from PIL import Image

from fastpatent.search.index import open_index
from fastpatent.search.query import Query, View, search, views_of
from fastpatent.search.record import record


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
    view = View(Image.open(drawing), (3, 5, 20, 30), True, f"upload {identity}")
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
    digest = index.drawings["digest"][row].as_py().hex()
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
