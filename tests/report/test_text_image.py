"""Tables of text-to-image and image-to-text retrieval: every metric is under its heading."""

import io

import numpy as np
import pytest

from fastpatent.evaluation.text_image import DIRECTIONS, PAIR, PATENT, RIGHT_ANSWERS, text_image_metrics
from fastpatent.log import PlainConsole
from fastpatent.report.text_image import COLUMNS, PUBLISHED, TITLES, size_of, text_image_table, text_image_tables


@pytest.fixture(scope="module")
def rows():
    """Two systems, of which the second is better in all figures but one."""
    rng = np.random.default_rng(0)
    identities = [f"USD{number // 3:07d}" for number in range(90)]
    centres = np.repeat(rng.standard_normal((30, 16)), 3, axis=0)
    texts = [f"{identity} {number % 2}" for number, identity in enumerate(identities)]
    noise = rng.standard_normal((2, 90, 16))
    near, far = (
        text_image_metrics(*(centres + spread * noise).astype(np.float32), identities, texts) for spread in (0.7, 1.6)
    )
    return [("far [net]", far), ("near", near)]


def expected(metrics, right):
    figures = []
    for direction in DIRECTIONS:
        found = metrics.directions[direction, right]
        figures += [100 * figure.mean for figure in found.recall.values()] + [found.median_rank]
    return figures


def printed(table):
    console = PlainConsole(file=io.StringIO(), width=120)
    console.print(table)
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_the_terminal_shows_every_metric(rows):
    lines = printed(text_image_table(rows))
    for right in RIGHT_ANSWERS:
        heading = lines.index(TITLES[right].split())
        for line, (system, metrics) in zip(lines[heading + 1 :], rows):
            assert line[: len(system.split())] == system.split()
            found = [float(cell) for cell in line[len(system.split()) :]]
            assert found == pytest.approx(expected(metrics, right), abs=0.0051)
        chance = [cell for cell in lines[heading + 3][2:] if cell != "–"]
        of = [rows[0][1].directions[direction, right].chance for direction in DIRECTIONS]
        assert list(map(float, chance)) == pytest.approx([100 * value for side in of for value in side.values()], abs=0.0051)
    assert " ".join(word for line in lines[-2:] for word in line).endswith(size_of(rows[0][1]))


def test_the_text_has_intervals_and_marks_the_best(rows):
    tables = text_image_tables(rows)
    for right, table in zip(RIGHT_ANSWERS, tables):
        assert table.title == TITLES[right]
        assert table.columns[1:] == [f"{direction}, {name}" for direction in DIRECTIONS for name in COLUMNS]
        assert [cells[0] for cells in table.rows] == ["far [net]", "near", "random ranking"]
        assert {len(cells) for cells in table.rows} == {len(table.columns)} and table.published == 0
        for cells, (_, metrics) in zip(table.rows, rows):
            assert [float(cell.split(" ± ")[0]) for cell in cells[1:]] == pytest.approx(expected(metrics, right), abs=0.0051)
            halves = [cell.split(" ± ")[1] for cell in cells[1:] if "±" in cell]
            recalls = [f for direction in DIRECTIONS for f in metrics.directions[direction, right].recall.values()]
            assert list(map(float, halves)) == pytest.approx([50 * (f.high - f.low) for f in recalls], abs=0.0051)
        better = np.array([expected(metrics, right) for _, metrics in rows]) * ([1, 1, 1, -1] * 2)
        shown = np.round(better, 2)
        assert table.best == {(int(row), int(column) + 1) for row, column in np.argwhere(shown == shown.max(axis=0))}
    assert text_image_tables(rows[:1])[0].best == set()


def test_published_figures_are_below_those_by_pair(rows):
    pair, patent = text_image_tables(rows, published=True)
    assert pair.published == len(PUBLISHED) == 12 and patent.published == 0
    last = pair.rows[-1]
    assert last[0].startswith("ViT-L-14, fine-tuned, captions (published: ")
    assert last[1:] == ["20.58", "43.14", "53.00", "–", "20.44", "42.34", "52.56", "–"]
    assert "5,000 other pairs" in pair.note and "other pairs" not in patent.note
    assert not any(row >= 2 for row, _ in pair.best)


def test_published_figures_are_those_of_the_source(shared):
    """The README of the published code, cell by cell."""
    (source,) = (shared / "sources").glob("002_*.txt")
    lines = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in source.read_text("utf-8").splitlines()]
    rows = [line for line in lines if len(line) == 9 and line[-1].replace(".", "").isdigit()]
    assert [tuple(map(float, line[3:])) for line in rows] == list(PUBLISHED.values())
    assert [line[2] for line in rows] == [system.split(",")[0] for system in PUBLISHED]


def test_the_size_mentions_repeated_texts(rows):
    metrics = rows[0][1]
    assert size_of(metrics) == (
        "90 pairs of a drawing and a text, of 30 patents. "
        "By patent, equal texts of one patent count once, as queries and in the gallery: 60 texts."
    )
    metrics = text_image_metrics(np.eye(4), np.eye(4), list("aabc"))
    assert size_of(metrics) == "4 pairs of a drawing and a text, of 3 patents."
    assert metrics.directions["text to image", PAIR].recall[1].mean == 1
    assert metrics.directions["text to image", PATENT].recall[1].mean == 1
