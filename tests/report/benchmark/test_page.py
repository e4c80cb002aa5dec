"""The HTML page of a benchmark, parsed."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from fastpatent.report.benchmark.page import write_page
from fastpatent.report.benchmark.tables import text_tables
from fastpatent.report.tables import NOTHING

VOID = {"meta", "input", "img"}


class Page(HTMLParser):
    """The content of a page; fails on tags closed in the wrong order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.rows, self.text = [], [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.fixture
def picture(tmp_path):
    """A PNG file with few colours, and its pixels."""
    pixels = np.random.default_rng(0).choice([0, 90, 200, 255], (40, 50, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png", pixels


def test_the_page_holds_all_tables_and_no_name_is_markup(benchmark, tmp_path):
    path = write_page(benchmark, [], tmp_path / "new")
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == [] and page.tags.count("script") == 1 and "c" not in page.tags
    tables = text_tables(benchmark)
    expected = []
    for table in sorted(tables, key=lambda table: not table.figures):
        expected += ([table.columns] if any(table.columns) else []) + table.rows
        assert table.title in page.text and table.note in page.text
    assert page.rows == expected
    assert page.tags.count("b") == sum(len(table.best) for table in tables)
    assert page.attributes.count(("class", "published")) == 1


def test_the_page_refers_to_no_other_file(benchmark, picture, tmp_path):
    path, pixels = picture
    text = write_page(benchmark, [("A <b> & c", 'caption "<x>"', path)] * 2, tmp_path).read_text(encoding="utf-8")
    page = Page(text)
    sources = [value for name, value in page.attributes if name == "src"]
    assert len(sources) == 2 and not {"srcset", "onclick"} & {name for name, _ in page.attributes}
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert "url(" not in text and "://" not in text and "@import" not in text
    for source in sources:
        kind, encoded = source.split(",")
        assert kind == "data:image/png;base64"
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")).astype(int)
        assert shown.shape == pixels.shape and abs(shown - pixels).max() <= 8
    assert ("alt", "A <b> & c") in page.attributes and 'caption "<x>"' in page.text and "x" not in page.tags


def test_the_page_in_a_browser(benchmark, picture, tmp_path, open_page):
    path = write_page(benchmark, [("Growth", "By size.", picture[0])], tmp_path)
    opened = open_page(path, 390)
    heading = opened.get_by_role("button", name="mAP", exact=True).first
    heading.click()
    body = opened.locator("tbody").first
    shown = [row.split("\t")[1].split(" ")[0] for row in body.locator("tr").all_inner_texts()]
    known = [float(figure) for figure in shown if figure != NOTHING]
    assert known == sorted(known) and len(known) > 1 and NOTHING not in shown[: len(known)] and NOTHING in shown
    opened.get_by_role("button", name="Growth").click()
    assert "By size." in opened.locator("dialog").inner_text()
