"""The page of a search, opened in a browser."""

import numpy as np
import pytest

from fastpatent.search import record
from fastpatent.search.filters import apply_filter
from fastpatent.search.generation import Facts
from fastpatent.search.query import Asked, Query, View, answer_query
from fastpatent.search.record import write_result_page
from tests.small_index import PNG, write_index

NAME = "<script>alert(1)</script> \x1b[31m 'a.png'"


@pytest.fixture
def found(tmp_path):
    """An index of three patents of two drawings, and the result of a query of a drawing, an unlike one and a text."""
    facts = [Facts(f"p{row // 2}", f"{NAME} {row // 2}", ("D9", "D7"), "09-01") for row in range(6)]
    index = write_index(tmp_path / "i", np.eye(6) + 0.5, facts, texts=True)
    query = Query([View(NAME, (1, 2, 3, 4), True)], [NAME], [View(5)], excluded=["p2"])
    views = np.eye(6, dtype=np.float32)
    asked = Asked(views[:1], views[5:], views[1:2], [NAME, "/d/000005.png"], [PNG, PNG], [])
    return index, answer_query(index, query, asked, apply_filter(index, "locarno = 09"), 5)


def test_answers_and_the_record(found, tmp_path, open_page):
    write_result_page(tmp_path / "a.html", found[0], NAME, found[1])
    page = open_page(tmp_path / "a.html", 390)
    assert page.locator("main img").count() == 2 + 4 and page.locator(".query img").count() == 1
    assert [text.split("\n")[0][:5] for text in page.locator("#answers h3").all_inner_texts()] == ["1. p0", "2. p1"]
    assert "D9, D7" in page.locator("h3 small").first.inner_text()
    rows = {row.split("\t")[0]: row.split("\t")[1] for row in page.locator("#record tbody tr").all_inner_texts()}
    assert rows["drawing 1"].endswith(", cropped to 1,2,3,4, mirrored") and "<script>alert(1)" in rows["drawing 1"]
    assert rows["filter"] == "locarno = 09" and rows["excluded"] == "p2" and rows["network"] == "digest " + "0" * 64
    assert rows["answers"] == "2 of 5 asked for" and "generation 1" in rows["index"] and rows["less like"] == "/d/000005.png"


def test_only_the_first_drawings_are_shown(found, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "MOST_PICTURES", 3)
    write_result_page(tmp_path / "a.html", found[0], NAME, found[1])
    text = (tmp_path / "a.html").read_text()
    assert text.count("<img ") == 2 + 3 and "Only the first 3 drawings are shown" in text and "\x1b" not in text
