"""The page of a comparison: its figures against plain formulas, its galleries, hostile names, and what a browser shows."""

import csv
import re

import numpy as np
import pytest
from PIL import Image

from fastpatent.data.records import Sample, Splits
from fastpatent.errors import DataError
from fastpatent.evaluation.comparison import compare_evaluations, shared_queries
from fastpatent.evaluation.features import Features
from fastpatent.evaluation.retrieval import rank_features
from fastpatent.report.comparison import check_comparison, comparison_table, sentences, write_comparison

HOSTILE = "<script>alert(1)</script>"
SIDES = [("first", "logs/first"), (HOSTILE, "b.yml")]


@pytest.fixture
def write_splits(tmp_path):
    """Function (name of an identity, drawings there are) of a data set: 12 identities, one query of each, views 0 to 3."""

    def write(hostile="odd", drawn=True):
        sides = [], []
        for number in range(12):
            identity = hostile if number == 3 else f"d{number}"
            for view in range(4):
                path = tmp_path / "data" / f"d{number}" / f"{view}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                if drawn:
                    Image.fromarray(np.where(np.eye(40, 30, view - number) > 0, 0, 255).astype(np.uint8)).save(path)
                sides[view != number % 2].append(Sample(str(path), identity, category="D14" if number < 5 else None))
        return Splits("Toy", [], *sides)

    return write


def compared(splits, same=False):
    """The PairedResult of random features with little noise (A) and more (B)."""
    rng = np.random.default_rng(1)
    centres = {sample.identity: rng.standard_normal(8) for sample in splits.query}
    evaluations = []
    for noise in (0.5, 0.5 if same else 1.0):
        rng = np.random.default_rng(2)
        sides = [
            np.stack([centres[s.identity] + noise * rng.standard_normal(8) for s in side]).astype(np.float32)
            for side in (splits.query, splits.gallery)
        ]
        evaluations.append(rank_features(Features("net", *sides), splits))
    rows = np.arange(len(splits.query))
    return compare_evaluations(*evaluations, (rows, rows), 200, 0)


def test_the_table_of_queries_and_the_groups(write_splits, tmp_path):
    splits = write_splits()
    found = compared(splits)
    page, table = write_comparison(found, SIDES, str(tmp_path / "data"), tmp_path)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    for row, sample, a, b in zip(rows, splits.query, found.a.metrics.average_precision, found.b.metrics.average_precision):
        assert row["query"] == sample.path.removeprefix(f"{tmp_path}/data/") and row["identity"] == sample.identity
        assert float(row["AP of A"]) == a and float(row["AP of B"]) == b and float(row["B - A"]) == b - a
        assert row["view"] == sample.path[-5] and row["relevant"] == "3"
        assert row["category"] == (
            "unknown" if sample.category is None else "D14 recording, communication, or information retrieval equipment"
        )
    text = page.read_text()
    for view in "01":
        of = [row for row in rows if row["view"] == view]
        a, b = (np.mean([float(row[f"AP of {side}"]) for row in of]) for side in "AB")
        cells = [view, "6", "6", f"{a:.4f}", f"{b:.4f}", f"{b - a:+.4f}"]
        found_cells = re.findall(r"<td[^>]*>(.*?)</td>", text[text.index(f"<tr><td>{view}</td>") :])
        assert found_cells[:6] == cells
        changes = [float(row["B - A"]) for row in of]
        assert found_cells[8:11] == [str(sum(np.sign(changes) == sign)) for sign in (1, 0, -1)]


def test_galleries_show_the_queries_that_changed_the_most(write_splits, tmp_path):
    found = compared(write_splits())
    page, _ = write_comparison(found, SIDES, str(tmp_path), tmp_path)
    change = found.precision_b - found.precision_a
    titles = re.findall(r"<h3>(\S+): AP (\S+) <small>", page.read_text())
    expected = [row for row in np.argsort(-change, kind="stable") if change[row] > 0][:8]
    expected += [row for row in np.argsort(change, kind="stable") if change[row] < 0][:8]
    assert titles == [(found.a.splits.query[row].identity, f"{change[row]:+.3f}") for row in expected]
    assert len(titles) > 4
    galleries = page.read_text().split('<div class="answers">')[1:]
    assert len(galleries) == 2 * len(expected)
    for number, row in enumerate(expected):
        for evaluation, gallery in zip((found.a, found.b), galleries[2 * number :]):
            shown = re.findall(r'<figure class="(\w+)"><img alt="([^"]*)"', gallery)
            answers = [evaluation.splits.gallery[place] for place in evaluation.ranking[row]]
            right = [sample.identity == evaluation.splits.query[row].identity for sample in answers]
            verdicts = ["query", *("right" if known else "wrong" for known in right), *["missed"] * (not any(right))]
            assert [verdict for verdict, _ in shown] == verdicts
            names = [alt.rpartition(": ")[2] for _, alt in shown[1:11]]
            assert names == [sample.path.rpartition("/")[2] for sample in answers]


def test_equal_systems_hostile_names_and_missing_drawings(write_splits, tmp_path):
    page, table = write_comparison(compared(write_splits(HOSTILE, drawn=False), same=True), SIDES, str(tmp_path), tmp_path)
    text = page.read_text()
    assert text.count("There are none.") == 2 and text.count("<script") == 1 and "&lt;script&gt;" in text
    check_comparison(tmp_path)  # both are its own
    page.write_text("<html>")
    with pytest.raises(DataError, match=r"index.html: this file is there already"):
        check_comparison(tmp_path)


def test_the_terminal_says_what_is_known(write_splits):
    found = compared(write_splits())
    table = comparison_table(found)
    columns = [list(column.cells) for column in table.columns]
    difference = found.overall.figures["mAP"]
    assert [column[0] for column in columns[:4]] == [
        "mAP",
        f"{difference.a:.4f}",
        f"{difference.b:.4f}",
        f"{difference.change.mean:+.4f}",
    ]
    assert columns[5][0] == ("yes" if difference.change.high < 0 or difference.change.low > 0 else "no")
    text = "\n".join(sentences(found))
    assert "12 queries of 12 patents of Toy in 36 images" in text
    assert f"better for {found.overall.better} ({found.overall.better / 12:.1%})" in text
    alone = compare_evaluations(found.a, found.b, (np.array([0]), np.array([0])), 20, 0)
    assert "fewer than 10 are too few" in "\n".join(sentences(alone))
    assert {column.cells.__next__() for column in comparison_table(alone).columns[4:]} == {"unknown"}


def test_without_identities_nothing_is_compared(write_splits):
    splits = write_splits()
    names = [[sample.path for sample in side] for side in (splits.query, splits.gallery)]
    rows = shared_queries(splits, names, splits, names)
    hidden = Splits("Toy", [], *([s._replace(identity=None) for s in side] for side in (splits.query, splits.gallery)))
    features = Features("net", np.eye(12, 4, dtype=np.float32) + 1, np.eye(36, 4, dtype=np.float32) + 1)
    evaluation = rank_features(features, hidden)
    with pytest.raises(DataError, match="Toy has no labelled query"):
        compare_evaluations(evaluation, evaluation, rows, 20, 0)
    with pytest.raises(DataError, match="same gallery, but 0 of their 12 and 12 queries are shared"):
        shared_queries(splits, names, splits, [[f"x{name}" for name in names[0]], names[1]])


@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser(write_splits, tmp_path, open_page, width):
    page, _ = write_comparison(compared(write_splits(HOSTILE)), SIDES, str(tmp_path), tmp_path)
    opened = open_page(page, width)
    assert opened.locator("h1").inner_text() == f"first and {HOSTILE} on Toy"
    rows = opened.locator("#by-1 tbody tr")
    before = [row.split("\t")[0] for row in rows.all_inner_texts()]
    assert before == ["0", "1"]
    opened.locator("#by-1 th button", has_text="B - A").click()
    values = [float(row.split("\t")[5]) for row in rows.all_inner_texts()]
    assert values == sorted(values) and len(values) == 2
    opened.locator("#losses img").first.click()
    assert opened.locator("dialog").is_visible()
    opened.keyboard.press("Escape")
    assert not opened.locator("dialog").is_visible()
    if width == 1280:  # the query and all ten answers are in one row
        tops = {picture.bounding_box()["y"] for picture in opened.locator("#losses .answers").first.locator("img").all()}
        assert len(tops) == 1
