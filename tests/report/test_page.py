"""Pages of the layout: what a template gets, what may load and run, and what the script does in a browser."""

import base64
import hashlib
import re

import matplotlib
import pytest
from jinja2 import ChoiceLoader, DictLoader, UndefinedError
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from fastpatent.report import page
from fastpatent.report.picture import picture_url
from fastpatent.report.plot_style import STYLE, chart_url

TEMPLATE = """
{% extends "layout.html" %}
{% import "parts.html" as parts with context %}
{% block content %}
{% call parts.section("first", "First " ~ name) %}
{{ parts.table("systems", [{"title": "system", "choose": true}, {"title": "mAP", "number": true}], rows) }}
{% endcall %}
{% call parts.section("second", "Second") %}
<p title="{{ name }}">{{ name }} {{ name|plain(3) }}</p>
{{ parts.answers(items, "By score.") }}
{{ parts.legend() }}
{{ parts.figure(chart, "chart", "A chart.") }}
{% call(row) parts.table("places", [{"title": "place", "number": true}], range(3), filter=false) %}
<tr><td data-value="{{ 9 - row }}">{{ row }}</td></tr>
{% endcall %}
{% endcall %}
{% endblock %}
"""
ROWS = [("b", 0.5), ("a", "1,200"), ("c10", "–"), ("c9", "-0.25 ± 1"), ("b", 3)]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Function (name) that writes a page of TEMPLATE with a text; other values are always the same."""
    environment = page._templates()
    monkeypatch.setattr(environment, "loader", ChoiceLoader([environment.loader, DictLoader({"try.html": TEMPLATE})]))
    Image.new("L", (60, 40)).save(tmp_path / "drawing.png")
    with matplotlib.rc_context(STYLE):
        figure = Figure((6, 3))
        figure.subplots().plot([1, 3, 2])
    items = [
        {"url": picture_url(tmp_path / "drawing.png", 320), "name": "d.png", "score": score, "verdict": verdict}
        for verdict, score in [("query", ""), *[("right", "0.912"), ("wrong", "0.899")] * 5, ("missed", "0.1")]
    ]

    def write_page(name):
        values = {"name": name, "rows": ROWS, "items": items, "chart": chart_url(figure)}
        path = tmp_path / "page.html"
        path.write_text(page.render("try.html", f"T {name}", facts=[name, "2 queries"], **values), encoding="utf-8")
        return path

    return write_page


def test_texts_are_escaped_and_bounded_and_markup_is_not(write):
    text = write("<i>\x1b\udcff\n" + "x" * 10_000).read_text(encoding="utf-8")
    assert r"&lt;i&gt;\x1b\udcff\nxxx" in text and "<i>" not in text
    assert r"&lt;i&gt;... " in text or "&lt;i&gt;...</p>" in text  # bounded by |plain(3)
    assert max(map(len, re.findall("x{9,}", text))) < page.MOST
    assert "<i>" in write(Markup("<i>")).read_text(encoding="utf-8")


def test_a_template_gets_what_it_asks_for(write):
    with pytest.raises(UndefinedError):
        page.render("try.html", "T", rows=[], items=[])


def test_the_policy_allows_the_one_style_and_the_one_script(write):
    text = write("name").read_text(encoding="utf-8")
    policy = re.search('content="(default-src [^"]*)"', text)[1]
    for tag in ("style", "script"):
        (contents,) = re.findall(f"<{tag}[^>]*>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(contents.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; img-src data:; ")


def test_templates_hold_no_address_and_no_inline_style_or_script():
    for path in page.TEMPLATES.iterdir():
        text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.S)
        assert not re.search(r"://|\burl\(|@import|\bfetch\b|innerHTML|\|\s*safe|<[^>]*\s(style|on\w+)\s*=", text), path


def test_a_page_is_known_again_by_its_template(write):
    path = write("name")
    assert page.is_page(path, "try.html") and not page.is_page(path, "layout.html")


def test_sections_are_listed(write):
    links = re.findall(r'<a href="#(\w+)">(.*?)</a>', write("<b>").read_text(encoding="utf-8"))
    assert links == [("first", "First &lt;b&gt;"), ("second", "Second")]


def cells(page, label):
    return [
        row.split("\t")[0] for row in page.get_by_role("region", name=label).locator("tbody tr:visible").all_inner_texts()
    ]


def test_tables_are_sorted_and_filtered(write, open_page):
    opened = open_page(write("name"))
    name, value, place = opened.locator("th").all()
    value.get_by_role("button").click()
    assert cells(opened, "systems") == ["c9", "b", "b", "a", "c10"] and value.get_attribute("aria-sort") == "ascending"
    value.get_by_role("button").press("Enter")
    assert cells(opened, "systems") == ["a", "b", "b", "c9", "c10"] and value.get_attribute("aria-sort") == "descending"
    name.get_by_role("button").press("Space")
    assert cells(opened, "systems") == ["a", "b", "b", "c9", "c10"] and value.get_attribute("aria-sort") is None
    place.get_by_role("button").click()
    assert cells(opened, "places") == ["2", "1", "0"]
    opened.get_by_label("Filter: systems").fill("C")
    assert cells(opened, "systems") == ["c9", "c10"] and opened.locator("output").inner_text() == "2 of 5 rows"
    opened.get_by_label("Filter: systems").fill("")
    opened.get_by_role("combobox").select_option("b")
    assert cells(opened, "systems") == ["b", "b"]


def test_pictures_are_enlarged_by_a_click_or_a_key(write, open_page):
    opened = open_page(write("name"))
    picture, dialog = opened.get_by_role("button", name="correct: d.png").first, opened.locator("dialog")
    small = picture.bounding_box()["width"]
    for enlarge in (picture.click, lambda: picture.press("Enter"), lambda: picture.press(" ")):
        assert not dialog.is_visible()
        enlarge()
        assert dialog.locator("img").bounding_box()["width"] > 4 * small and "0.912 d.png" in dialog.inner_text()
        opened.keyboard.press("Escape")
    picture.click()
    dialog.get_by_role("button").click()
    assert not dialog.is_visible()


def test_ten_answers_stand_beside_their_query(write, open_page):
    opened = open_page(write("name"))
    tops = {figure.bounding_box()["y"] for figure in opened.locator(".answers figure").all()}
    assert len(tops) == 1


@pytest.mark.parametrize("options", [{"width": 390}, {"width": 390, "color_scheme": "dark"}, {"java_script_enabled": False}])
def test_pages_fit_a_phone_and_show_all_without_script(write, open_page, options):
    opened = open_page(write("n" * 500), **options)
    assert len(cells(opened, "systems")) == len(ROWS) and opened.locator("main img").last.is_visible()
    assert opened.locator(".filters").is_visible() == options.get("java_script_enabled", True)
