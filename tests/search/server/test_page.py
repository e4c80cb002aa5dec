"""The search page in a real browser, asked of a real server."""

import contextlib
import io
import re
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from PIL import Image

from fastpatent.search.index import open_index
from fastpatent.search.query import Query, View, percent, search
from tests.search.server.conftest import application, faults_of_access, running

with contextlib.suppress(ModuleNotFoundError):  # the fixture `visit` skips the test
    from playwright.sync_api import expect

    expect.set_options(timeout=20_000)
FILES = "input[type=file][multiple]"
NO_ANSWER = "Failed to load resource: the server responded with a status of 4"


@pytest.fixture(scope="module")
def site(index_folder, tmp_path_factory):
    """The address of a server of the small index, which all tests here ask."""
    with running(application(index_folder, tmp_path_factory.mktemp("site"))) as address:
        yield f"{address}/"


@pytest.fixture
def drawings(index_folder):
    """Function of numbers that returns the paths of drawings: 2 n and 2 n + 1 are of patent pn."""
    return lambda *numbers: [str(index_folder.parent / f"d/p{number // 2}/{number}.png") for number in numbers]


def titles(page):
    return [text.partition(". ")[2] for text in page.locator(".patents h3").all_inner_texts()]


def params(page):
    return parse_qsl(urlsplit(page.url).query)


def digest_of(index, patent, place=0):
    return index.name(index.rows_of(patent)[place])


def test_chosen_drawings_are_views_of_one_design(visit, site, drawings, index_folder):
    page = visit(site)
    assert page.locator(".results li").count() == 3  # what can be done
    page.set_input_files(FILES, drawings(6, 9))
    page.wait_for_selector(".patents")
    index = open_index(index_folder)
    expected = search(index, Query([View(path) for path in drawings(6, 9)], own=True)).answers
    assert titles(page) == [index.drawings["title"][answer.rows[0]].as_py() for answer in expected]
    assert f"Closer than {percent(expected[0].percentile)} of random pairs" in page.locator(".closeness").first.inner_text()
    assert page.locator(".patents li").first.locator("figure").count() == 2
    assert [name for name, _ in params(page)] == ["drawing", "drawing"]
    assert page.locator("#announcement").inner_text().startswith("6 patents found.")
    page.reload()
    assert titles(page) == [index.drawings["title"][answer.rows[0]].as_py() for answer in expected]
    page.get_by_label("Remove 6.png").click()
    expect(page.locator(".view .name")).to_have_text(["9.png"])


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_drawings_are_dropped_and_pasted(visit, site, drawings, event):
    page = visit(site)
    contents = [*open(drawings(4)[0], "rb").read()]
    page.evaluate(
        """([event, contents]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(contents)], "lamp.png", {type: "image/png"}));
            const Kind = event === "drop" ? DragEvent : ClipboardEvent;
            const given = event === "drop" ? {dataTransfer: data} : {clipboardData: data};
            document.querySelector("h2").dispatchEvent(new Kind(event, {...given, bubbles: true, cancelable: true}));
        }""",
        [event, contents],
    )
    page.wait_for_selector(".patents")
    assert titles(page)[0] == "lamp 2" and page.locator(".view .name").inner_text() == "lamp.png"


def test_a_photograph_of_the_camera_becomes_an_edge_map(visit, site, tmp_path):
    grey = np.full((90, 120), 60, np.uint8) + np.arange(120, dtype=np.uint8)  # a wall in uneven light
    grey[30:60, 40:80] //= 4
    noise = np.random.default_rng(0).integers(0, 8, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(grey[:, :, None] + noise).resize((480, 360)).save(tmp_path / "photograph.jpg")
    page = visit(site, 390, is_mobile=True, has_touch=True)
    expect(page.get_by_text("Photograph", exact=True)).to_be_visible()
    page.set_input_files("input[capture]", str(tmp_path / "photograph.jpg"))
    page.wait_for_selector(".patents")
    address = params(page)[0][1].replace("upload:", f"{site}uploads/") + ".png"
    compared = np.asarray(Image.open(io.BytesIO(page.request.get(address).body())))
    assert np.median(compared) == 255 and compared.min() < 64  # lines on white


@pytest.mark.parametrize("by", ["mouse", "finger", "keyboard"])
def test_a_part_is_compared(visit, site, drawings, by):
    page = visit(site, **({"has_touch": True} if by == "finger" else {}))
    page.set_input_files(FILES, drawings(6))  # of 30 x 40 pixels
    page.get_by_label("Crop 6.png").click()
    page.locator(".stage img").evaluate("image => image.decode()")
    box = page.locator(".stage img").bounding_box()

    def at(x, y):
        return {"x": box["x"] + x / 30 * box["width"], "y": box["y"] + y / 40 * box["height"]}

    left, top, width, height = (3, 2, 25, 32) if by == "keyboard" else (10, 6, 15, 20)
    if by == "keyboard":
        for key, times in (("Shift+ArrowLeft", 5), ("Shift+ArrowUp", 8), ("ArrowRight", 3), ("ArrowDown", 2)):
            for _ in range(times):
                page.keyboard.press(key)
    elif by == "mouse":  # a new frame, and its first corner moved
        for start, end in (((5, 6), (25, 26)), ((5, 6), (10, 6))):
            page.mouse.move(**at(*start))
            page.mouse.down()
            page.mouse.move(**at(*end), steps=3)
            page.mouse.up()
    else:  # a new frame, which is moved
        session = page.context.new_cdp_session(page)
        for start, end in (((1, 1), (16, 21)), ((5, 5), (14, 10))):
            for kind, points in (("touchStart", [at(*start)]), ("touchMove", [at(*end)]), ("touchEnd", [])):
                session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(page.locator("#crop-size")).to_have_text(
        f"{width} × {height} of 30 × 40 pixels, {left} from the left, {top} from the top"
    )
    page.get_by_role("button", name="Search with this part").click()
    expect(page).to_have_url(re.compile("crop"))
    assert params(page)[0][1].endswith(f";crop={left},{top},{width},{height}")
    expect(page.locator(".view img")).to_have_attribute("src", re.compile("^data:"))
    assert page.locator(".view img").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [width, height]
    page.get_by_label("Mirror 6.png").click()
    expect(page).to_have_url(re.compile("mirror"))
    expect(page.get_by_label("Mirror 6.png")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Mirror 6.png")).to_be_focused()
    page.get_by_label("Crop 6.png").click()
    page.get_by_role("button", name="Whole drawing").click()
    expect(page).not_to_have_url(re.compile("crop"))
    assert params(page)[0][1].endswith(";mirror")


def test_facets_count_and_choose(visit, site, index_folder):
    page = visit(f"{site}?drawing=drawing:{digest_of(open_index(index_folder), 'p0')}&own=1")

    def tick(label):
        with page.expect_response(re.compile("/ask")):
            page.get_by_role("group", name=label[0], exact=True).get_by_label(label[1]).click()
        expect(page.locator("main")).not_to_have_class(re.compile("htmx-request"))

    def counts(label):
        texts = page.get_by_role("group", name=label, exact=True).locator("label").all_inner_texts()
        return [" ".join(text.split()) for text in texts]

    assert counts("Class") == ["D6 3", "D7 3"] and counts("Year") == [f"{year} 1" for year in range(2020, 2014, -1)]
    tick(("Class", "D7"))
    assert dict(params(page))["where"] == 'class in ("D7")'
    assert {*titles(page)} == {"chair 1", "tea kettle 3", "lamp 5"}  # of the odd numbers
    assert counts("Class") == ["D6 3", "D7 3"] and counts("Year") == ["2020 1", "2018 1", "2016 1"]
    assert page.evaluate("document.activeElement.id") == "class-D7"
    tick(("Year", "2018"))
    page.locator("#where").fill("title ~ kettle")
    page.locator("#where").press("Enter")
    expect(page).to_have_url(re.compile("kettle"))
    expect(page.locator(".patents h3")).to_have_count(1)
    assert dict(params(page))["where"] == 'class in ("D7") and date in ("2018") and (title ~ kettle)'
    assert titles(page) == ["tea kettle 3"] and page.locator("#where").input_value() == "title ~ kettle"
    tick(("Class", "D7"))
    assert dict(params(page))["where"] == 'date in ("2018") and (title ~ kettle)'


def test_an_answer_is_the_next_query_and_back_leads_to_the_first(visit, site, drawings):
    page = visit(site)
    page.set_input_files(FILES, drawings(0))
    page.wait_for_selector(".patents")
    first, found = page.url, titles(page)
    page.get_by_label(f"Search with this patent: p{found[1][-1]}").click()
    page.wait_for_url(re.compile("patent"))
    assert page.locator(".view .name").inner_text() == f"p{found[1][-1]} 2 drawings"
    assert found[1] not in titles(page) and page.locator(".facts", has_text=f"without p{found[1][-1]}").count()
    page.locator(".menu summary").first.click()
    page.get_by_label(re.compile("Less like it")).first.click()
    page.wait_for_url(re.compile("minus"))
    assert page.locator(".view.minus").count() == 1
    page.go_back()
    page.go_back()
    page.wait_for_url(first)
    expect(page.locator(".view .name")).to_have_text(["0.png"])
    assert titles(page) == found
    page.go_forward()
    page.wait_for_url(re.compile("patent"))
    expect(page.locator(".view .name")).to_contain_text(["2 drawings"])
    record = page.get_by_role("link", name="Record of this search")
    expect(record).to_have_attribute("href", f"/record?{urlsplit(page.url).query}")


def test_what_is_wrong_is_said_in_a_sentence(visit, site, drawings, tmp_path):
    page = visit(site, allowed=[NO_ANSWER])
    (tmp_path / "broken.png").write_bytes(open(drawings(0)[0], "rb").read()[:60])
    page.set_input_files(FILES, [str(tmp_path / "broken.png"), *drawings(2)])
    page.wait_for_selector(".patents")  # of the other one
    assert page.locator("#problem").inner_text().startswith("broken.png: cannot be read")
    assert page.locator(".view").count() == 1
    page.locator("#where").fill("colour = red")
    page.locator("#where").press("Enter")
    alert = page.locator(".results [role=alert]")
    alert.wait_for()
    assert "has a field 'colour', which no index has" in alert.inner_text()
    assert page.locator("#where").input_value() == "colour = red" and page.locator(".view").count() == 1
    page.locator("#where").fill("")
    page.locator("#search").click()
    page.wait_for_selector(".patents")
    page.route("**/ask?*", lambda route: route.fulfill(status=429, json={"error": "too many requests; wait a moment"}))
    page.locator("#search").click()
    expect(page.locator("#problem")).to_have_text("too many requests; wait a moment")
    assert page.locator(".patents").count() == 1
    page.goto(f"{site}?drawing=upload:1")
    assert "is no drawing" in alert.inner_text()


def test_an_answer_that_comes_too_late_is_dropped(visit, site, index_folder):
    index, waiting = open_index(index_folder), []
    page = visit(f"{site}?drawing=drawing:{digest_of(index, 'p0')}")

    def delay(route):
        waiting.append(route) if "k=2" in route.request.url else route.continue_()

    page.route("**/ask?*", delay)
    for k in (2, 3):
        page.locator("#options").evaluate("part => part.open = true")
        page.locator("#k").fill(str(k))
        page.locator("#k").press("Enter")
    expect(page.locator(".patents > li")).to_have_count(3)
    assert waiting
    with contextlib.suppress(Exception):  # the browser has given it up
        waiting[0].continue_()
    page.wait_for_timeout(300)
    assert page.locator(".patents > li").count() == 3 and dict(params(page))["k"] == "3"


def test_without_scripts_the_page_works_by_forms(visit, site, drawings):
    page = visit(site, java_script_enabled=False)
    page.set_input_files(FILES, drawings(6, 7))
    page.get_by_role("button", name="Add").click()
    assert titles(page)[0] == "tea kettle 3" and page.locator(".view").count() == 2
    page.get_by_label("Mirror 7.png").click()
    assert params(page)[1][1].endswith(";mirror")
    page.locator("#filter summary").click()
    page.get_by_role("group", name="Class", exact=True).get_by_label("D7").check()
    page.locator("#search").click()
    assert {*titles(page)} == {"chair 1", "tea kettle 3", "lamp 5"}


def test_an_answer_is_added_to_a_shortlist_without_leaving_the_page(visit, site, index_folder):
    page = visit(f"{site}?drawing=drawing%3A{digest_of(open_index(index_folder), 'p0')}")
    address, button = page.url, page.get_by_role("button", name="Add p3 to the shortlist")
    button.click()
    expect(page.get_by_text("Added to Shortlist")).to_have_count(1)
    expect(button).to_be_focused()
    assert page.url == address and page.locator(".patents > li").count() == 5
    page.get_by_role("link", name="Shortlist", exact=True).click()
    expect(page.locator("h2", has_text="tea kettle 3")).to_have_count(1)
    page.get_by_role("link", name="Search that found it").click()
    expect(page).to_have_url(address)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_can_be_used_with_a_keyboard_a_screen_reader_and_a_phone(visit, site, index_folder, scheme, width):
    index = open_index(index_folder)
    address = f"{site}?drawing=drawing:{digest_of(index, 'p0')}&minus=patent:p1&exclude=p2&expand=1&where=date>2010"
    page = visit(address, width, color_scheme=scheme, is_mobile=width < 500, has_touch=width < 500)
    for part in page.locator("details").all():
        part.evaluate("part => part.open = true")
    assert faults_of_access(page) == []
    page.locator("button.crop").click()
    expect(page.locator("#crop-size")).to_have_text(re.compile("of 30 × 40 pixels"))
    assert faults_of_access(page) == []


def test_it_says_that_the_network_is_loading(client, monkeypatch):
    searcher = type(client.app.state.searcher)
    monkeypatch.setattr(searcher, "network", property(lambda self: "loading"))
    assert "The network is loading." in client.get("/").text and client.get("/loading").status_code == 204
    monkeypatch.setattr(searcher, "network", property(lambda self: "ready"))
    assert "The network is loading." not in client.get("/").text
    assert (client.get("/loading").status_code, client.get("/loading").text) == (200, "")


def test_it_says_that_nothing_is_close_and_asks_for_words_where_they_are_read(client, index_folder, monkeypatch):
    index = client.app.state.searcher.index
    address = f"/?drawing=drawing:{digest_of(index, 'p0')}"
    found, itself = client.get(address).text, client.get(f"{address}&own=1").text
    assert "<b>Nothing close: the closest patent" in found and "Nothing close" not in itself
    monkeypatch.setitem(index.manifest["network"], "texts", True)
    assert 'name="text"' in client.get("/").text and 'name="text"' not in found


@pytest.mark.parametrize("change", ["mirror drawing 1", "crop exclude 0", "explode drawing 0", "remove drawing 0 extra"])
def test_changes_that_are_none_are_refused(client, index_folder, change):
    drawing = f"drawing:{digest_of(open_index(index_folder), 'p0')}"
    answer = client.get("/ask", params={"drawing": drawing, "exclude": "p1", "change": change})
    assert answer.status_code == 400 and "no change" in answer.text or "nothing for the change" in answer.text
    assert client.get("/ask", params={"drawing": drawing, "change": "remove drawing 0"}).headers["location"] == "/"
