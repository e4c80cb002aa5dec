"""The page of designs that a search has found, opened in a browser."""

import numpy as np
import pytest
from PIL import Image

from fastpatent.evaluation.design_search import Answer, Found
from fastpatent.report import found
from fastpatent.report.found import write_answers_page


@pytest.fixture
def results(tmp_path):
    """Two queries of two views, each with one design of three drawings."""
    paths = [str(tmp_path / f"{number}.png") for number in range(5)]
    for number, path in enumerate(paths):
        Image.fromarray(np.where(np.eye(40, 30, number) > 0, 0, 255).astype(np.uint8)).save(path)
    return [Found(f"query {n}", paths[:2], [Answer("d" * 200, 0.5, 12.5, paths[2:], n == 1)]) for n in range(2)]


def test_queries_and_answers_in_order(results, tmp_path, open_page):
    write_answers_page(tmp_path / "found.html", results, "a folder", 0)
    opened = open_page(tmp_path / "found.html", 390)
    assert opened.locator("main img").count() == 10
    assert (
        opened.locator(".query img").evaluate_all("all => all.map(one => one.alt)") == ["query: 0.png", "query: 1.png"] * 2
    )
    facts = opened.locator("h3 small").all_inner_texts()
    assert facts == [f"closeness 0.500, percentile 12.5 %, 3 drawings{end}" for end in ("", ", contains the query")]
    opened.get_by_role("navigation").get_by_text("Query: query 1").click()
    assert opened.evaluate("location.hash") == "#query2"
    opened.locator("main img").last.press("Enter")
    assert opened.locator("dialog img").bounding_box()["width"] > 300


def test_only_the_first_drawings_are_shown(results, tmp_path, monkeypatch):
    monkeypatch.setattr(found, "MOST_PICTURES", 6)
    write_answers_page(tmp_path / "found.html", results, "a folder", 0)
    text = (tmp_path / "found.html").read_text()
    assert text.count("<img ") == 6 and "Only the first 6 drawings are shown" in text and text.count("<h3>") == 2
