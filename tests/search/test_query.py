"""Queries against an index: how drawings become vectors, and what their algebra gives, against formulas in float64."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from fastpatent.errors import DataError
from fastpatent.search import query as asking
from fastpatent.search.filters import Filter, apply_filter
from fastpatent.search.generation import Facts
from fastpatent.search.index import open_index
from fastpatent.search.network import pipeline_of
from fastpatent.search.query import (
    Asked,
    Query,
    View,
    answer_query,
    check_query,
    embed_queries,
    search,
    split_query,
    views_of,
)
from tests.search.test_build import PIXELS, feature, write_sheet
from tests.small_index import write_index
from tests.small_sets import write_drawing

NOTHING = np.zeros((0, 6), np.float32)


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def vectors():
    return unit(np.random.default_rng(0).standard_normal((60, 6)))


@pytest.fixture(scope="module")
def index(tmp_path_factory, vectors, place):
    """20 patents of three drawings, of which the first ten are chairs."""
    facts = [Facts(f"p{row // 3:02d}", "chair" if row < 30 else "lamp") for row in range(60)]
    return write_index(tmp_path_factory.mktemp("query") / "i", vectors, facts, place=place)


def ranked(vectors, views, rows=range(60), k=20):
    """[(patent, score)], by loops: mean over the views of the best product with a drawing."""
    best = {}
    for row in rows:
        best.setdefault(f"p{row // 3:02d}", []).append([float(view @ vectors[row]) for view in views])
    scores = {patent: np.mean(np.max(products, axis=0)) for patent, products in best.items()}
    return sorted(scores.items(), key=lambda item: -item[1])[:k]


def asked(views=NOTHING, minus=NOTHING, text=None, own=()):
    names = [f"{number}" for number in range(len(views) + len(minus))]
    views, minus = (np.asarray(side, np.float32) for side in (views, minus))
    return Asked(views, minus, text, names, [b""] * len(names), list(own))


def check(result, expected):
    assert [answer.patent for answer in result.answers] == [patent for patent, _ in expected]
    np.testing.assert_allclose([answer.score for answer in result.answers], [score for _, score in expected], atol=1e-5)


def test_plain_views_and_what_is_said_of_an_answer(index, vectors):
    views = unit(np.random.default_rng(1).standard_normal((3, 6)))
    result = answer_query(index, Query(), asked(views), Filter(), 7)
    check(result, ranked(vectors, views, k=7))
    pairs = [vectors[a] @ vectors[b] for a in range(60) for b in range(a) if a // 3 != b // 3]
    for answer in result.answers:
        assert answer.cosine == pytest.approx(answer.score, abs=1e-6)
        assert answer.percentile == pytest.approx(100 * np.mean([pair < answer.cosine for pair in pairs]), abs=0.1)
        best = {row: max(views @ vectors[row]) for row in range(60) if f"p{row // 3:02d}" == answer.patent}
        assert answer.rows == sorted(best, key=lambda row: -best[row])
        np.testing.assert_allclose(answer.cosines, sorted(best.values(), reverse=True), atol=1e-5)
    assert result.compared == 60 and not result.excluded and result.k == 7


def test_minus_subtracts_the_scaled_similarity_of_each_drawing(index, vectors):
    generator = np.random.default_rng(2)
    views, minus = unit(generator.standard_normal((2, 6))), unit(generator.standard_normal((3, 6)))
    query = Query(minus_weight=0.7)
    result = answer_query(index, query, asked(views, minus), Filter(), 20)
    best = {}
    for row in range(60):
        unlike = 0.7 * np.mean([vectors[row] @ other for other in minus])
        best.setdefault(f"p{row // 3:02d}", []).append([view @ vectors[row] - unlike for view in views])
    scores = {patent: np.mean(np.max(rows, axis=0)) for patent, rows in best.items()}
    check(result, sorted(scores.items(), key=lambda item: -item[1]))
    cosines = dict(ranked(vectors, views))
    assert all(answer.cosine == pytest.approx(cosines[answer.patent], abs=1e-5) for answer in result.answers)


def test_words_are_mixed_with_each_view(index, vectors):
    generator = np.random.default_rng(3)
    views, text = unit(generator.standard_normal((2, 6))), unit(generator.standard_normal((1, 6)))
    result = answer_query(index, Query(text_weight=0.3), asked(views, text=text.astype(np.float32)), Filter(), 20)
    check(result, ranked(vectors, unit(0.7 * views + 0.3 * text)))
    alone = answer_query(index, Query(text_weight=0.3), asked(text=text.astype(np.float32)), Filter(), 20)
    check(alone, ranked(vectors, text))
    assert {answer.percentile for answer in alone.answers} == {None} and not alone.verdict


def test_expansion_averages_with_drawings_that_may_be_answers(index, vectors):
    views = unit(np.random.default_rng(4).standard_normal((2, 6)))
    chairs = apply_filter(index, "title ~ chair")
    result = answer_query(index, Query(expand=4, excluded=["p01", "p02"]), asked(views, own=["p02", "p03"]), chairs, 5)
    rows = [row for row in range(30) if row // 3 not in (1, 2, 3)]
    expanded = []
    for view in views:
        nearest = sorted(rows, key=lambda row: -(view @ vectors[row]))[:4]
        expanded.append(view + sum(max(view @ vectors[row], 0) ** 3 * vectors[row] for row in nearest))
    check(result, ranked(vectors, unit(expanded), rows, 5))
    assert result.excluded == ["p01", "p02", "p03"] and result.compared == 30 and result.where == "title ~ chair"


def test_what_is_close_is_said(index, vectors, monkeypatch):
    far = answer_query(index, Query(), asked(unit(np.ones((1, 6)))), Filter(), 3)
    monkeypatch.setattr(asking, "CLOSE", far.answers[0].percentile + 0.001)
    said = answer_query(index, Query(), asked(unit(np.ones((1, 6)))), Filter(), 3).verdict
    assert said.startswith("nothing close: the closest patent is closer than only ")
    assert not answer_query(index, Query(), asked(vectors[:1]), Filter(), 3).verdict
    none = answer_query(index, Query(), asked(vectors[:1]), apply_filter(index, "title=x"), 3)
    assert not none.answers and none.verdict == "nothing was found: no drawing passes the filter"
    own = answer_query(index, Query(), asked(vectors[:1], own=["p00"]), apply_filter(index, "patent=p00"), 3)
    assert not own.answers and own.verdict == "nothing was found: no patent is left to compare"
    assert asking.percent(99.999) == "99.99 %" and asking.percent(100) == "100.00 %"


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    """Six patents of two drawings, and an index of their pixels."""
    from fastpatent.commands import main

    root = tmp_path_factory.mktemp("drawn")
    for number in range(12):
        write_drawing(root / f"d/p{number // 2}/{number}.png", number)
    assert main(["index", "build", str(root / "d"), "--out", str(root / "I"), *PIXELS]) == 0
    return root


@pytest.fixture(scope="module")
def opened(drawings):
    return open_index(drawings / "I")


def test_an_image_is_the_same_by_path_in_memory_and_by_row(drawings, opened):
    path = drawings / "d/p1/3.png"
    row = opened.rows_of("p1")[1]
    expected = feature(path)
    image = Image.open(path)
    for view in (path, str(path), image, np.asarray(image), image.convert("RGBA"), row):
        found = embed_queries(opened, [Query([View(view)])])[0]
        np.testing.assert_allclose(found.views, expected[None], atol=1e-5)
        assert found.own == (["p1"] if not isinstance(view, Image.Image | np.ndarray) else [])
        assert found.pictures[0].startswith(b"\x89PNG")


def test_rows_alone_need_no_network(opened):
    def networks():
        raise AssertionError

    result = search(opened, Query(views_of(opened, "p4")), "", 3, networks)
    assert "p4" not in [answer.patent for answer in result.answers] and len(result.answers) == 3
    own = search(opened, Query(views_of(opened, "p4"), own=True), "", 1, networks).answers[0]
    assert own.patent == "p4" and own.score == pytest.approx(1) and own.percentile == 100


def test_crop_and_mirror(drawings, opened, tmp_path):
    path, row = drawings / "d/p1/3.png", int(opened.rows_of("p1")[1])
    image = Image.open(path)
    for crop, mirror in (((3, 5, 20, 30), False), (None, True), ((0, 0, 30, 40), True), ((2, 0, 9, 40), True)):
        left, top, width, height = crop or (0, 0, *image.size)
        part = image.crop((left, top, left + width, top + height))
        (ImageOps.mirror(part) if mirror else part).save(tmp_path / "part.png")
        for drawing in (path, row, image):
            found = embed_queries(opened, [Query([View(drawing, crop, mirror)])])[0]
            np.testing.assert_allclose(found.views, feature(tmp_path / "part.png")[None], atol=1e-5)
    for crop in ((-1, 0, 5, 5), (0, 0, 31, 5), (0, 0, 5, 41), (0, 0, 0, 5)):
        with pytest.raises(DataError, match=r"3.png: the crop \(.*\) is not within its 30 x 40 pixels"):
            embed_queries(opened, [Query([View(path, crop)])])


def test_a_sheet_is_split_where_the_index_is(drawings, opened, tmp_path):
    expected = []
    for figure in write_sheet(tmp_path / "sheet.png"):
        figure.save(tmp_path / "figure.png")
        expected.append(feature(tmp_path / "figure.png"))
    image, row = Image.open(tmp_path / "sheet.png"), int(opened.rows_of("p1")[1])
    for drawing in (tmp_path / "sheet.png", image, np.asarray(image)):
        split = split_query(opened, Query([View(drawing)], minus=[View(drawing, mirror=True)]))
        found = embed_queries(opened, [split])[0]
        np.testing.assert_allclose(found.views, expected, atol=1e-5)
        assert len(split.minus) == 2 and all(view.mirror and view.turn == 3 for view in split.minus)
    as_it_is = Query([View(row), View(drawings / "d/p1/3.png"), View(image, (0, 0, 300, 300))])
    assert split_query(opened, as_it_is).views == as_it_is.views
    assert len(search(opened, Query([View(image)]), k=1).query.views) == 2
    assert len(search(opened, Query([View(image)]), k=1, split=False).query.views) == 1


def test_a_figure_of_the_index_is_cropped_and_mirrored_as_it_lies_there(tmp_path, monkeypatch):
    from fastpatent.commands import main

    monkeypatch.chdir(tmp_path)
    second = write_sheet(tmp_path / "d/p0/sheet.png")[1]
    assert main(["index", "build", "d", "--out", "I", *PIXELS]) == 0
    ImageOps.mirror(second.crop((10, 20, 110, 220))).save("part.png")
    found = embed_queries(open_index("I"), [Query([View(1, (10, 20, 100, 200), True)])])[0]
    np.testing.assert_allclose(found.views, feature("part.png")[None], atol=1e-5)
    assert found.own == ["p0"]


def test_queries_are_read_together(drawings, opened, caplog):
    calls, pipeline = [], pipeline_of(opened)

    class Counted:
        cfg = pipeline.cfg

        def embed_images(self, samples, name):
            calls.append(len(samples))
            return pipeline.embed_images(samples, name)

    paths = sorted((drawings / "d").rglob("*.png"))
    queries = [
        Query([View(paths[0]), View(paths[0], mirror=True)], minus=[View(paths[7])]),
        Query([View(5)], minus=[View(4), View(paths[2])]),
        Query([View(paths[9])]),
    ]
    together = embed_queries(opened, queries, Counted)
    assert calls == [5]
    for query, found in zip(queries, together):
        alone = embed_queries(opened, [query])[0]
        for name in ("views", "minus"):
            np.testing.assert_allclose(getattr(found, name), getattr(alone, name), atol=1e-6)
        assert (found.names, found.pictures, found.own) == (alone.names, alone.pictures, alone.own)
    np.testing.assert_allclose(together[1].minus[1], feature(paths[2]), atol=1e-5)


def test_a_large_image_and_a_pdf_are_one_sentence(drawings, opened, tmp_path):
    Image.new("1", (20_000, 15_000), 1).save(tmp_path / "large.tif", compression="group4")
    pages = b"1 0 obj<</Type /Pages /Count 2>>" + 2 * b"<< /Type/Page /Parent 1 0 R>>"
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4\n" + pages)
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7\n compressed")
    for name, message in (
        ("large.tif", "large.tif: refused, more than 178,956,970 pixels"),
        ("a.pdf", "it is a PDF of 2 pages, not an image; `pdfimages -png"),
        ("b.pdf", "it is a PDF, not an image"),
        ("none.png", "no such drawing"),
    ):
        with pytest.raises(DataError, match=message):
            search(opened, Query([View(tmp_path / name)]))


@pytest.mark.parametrize(
    "query, k, message",
    [
        (Query(), 5, "the query is empty"),
        (Query(texts=[" "], minus=[View(0)]), 5, "the query is empty"),
        (Query([View(0)], ["a chair"]), 5, "its network reads no text"),
        (Query([View(0)]), 0, "k is 0, not 1 or more"),
        (Query([View(0)], expand=-1), 5, "to expand by is -1, not 0 to 1000"),
        (Query([View(0)], text_weight=1.5), 5, "the weight of the text is 1.5, not 0 to 1"),
        (Query([View(0)], minus_weight=float("nan")), 5, "unlike is nan, not 0 to 100"),
        (Query([View(0)], minus_weight=float("inf")), 5, "unlike is inf"),
        (Query([View(60)]), 5, "has the rows 0 to 59, not 60"),
        (Query([View(0)], minus=[View(-1)]), 5, "has the rows 0 to 59, not -1"),
        (Query([View(0)], excluded=["p001"]), 5, "has no patent p001; did you mean p01"),
    ],
)
def test_what_is_no_query_is_one_sentence(index, query, k, message):
    with pytest.raises(DataError, match=message):
        check_query(index, query, k)
