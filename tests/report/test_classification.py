"""Tables of classification: figures under their headings, and notes on classes missing in training or test."""

import io

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from fastpatent.evaluation.classification import Labelled, measure
from fastpatent.log import PlainConsole
from fastpatent.report.classification import (
    CONSTANT,
    class_table,
    class_text,
    classification_table,
    classification_text,
)

LABELS = ["D14"] * 6 + ["D2"] * 3 + ["D26"]
KNOWN = ["D14", "D2", "D3", "D5", "D6", "D7", "D8", "D9"]


@pytest.fixture
def tested():
    return Labelled(np.zeros((10, 1), np.float32), LABELS, [f"USD{row}" for row in range(10)])


@pytest.fixture
def rows(tested):
    """A classifier that ranks all classes, with a note, and one that predicts one class, of two."""
    orders = np.array([np.roll(np.arange(8), row // 2) for row in range(10)])
    first = measure(KNOWN, orders, tested)
    first.notes.append("it has not converged.")
    return [("orders [all]", first), ("two classes", measure(KNOWN[:2], orders[:, :1] % 2, tested))]


def printed(table):
    console = PlainConsole(file=io.StringIO(), width=110)
    console.print(table)
    return console.file.getvalue()


def test_figures_of_classifiers(rows):
    table = classification_text(rows)
    for cells, (system, found) in zip(table.rows, rows):
        assert cells[0] == system
        assert float(cells[1]) == pytest.approx(found.accuracy.mean, abs=5.1e-4)
        assert list(map(float, cells[2].split(" to "))) == pytest.approx(found.accuracy[1:], abs=5.1e-4)
        assert float(cells[4]) == pytest.approx(found.macro_f1, abs=5.1e-4)
    assert float(table.rows[0][3]) == pytest.approx(rows[0][1].top5.mean, abs=5.1e-4)
    assert table.rows[1][3] == "–"
    text = printed(classification_table(rows))
    assert all(cell in text for cells in table.rows for cell in cells)
    assert " ".join(table.note.split()) in " ".join(text.split())


def test_the_last_row_is_a_constant_prediction(rows):
    name, accuracy, *_, macro = classification_text(rows).rows[-1]
    constant = ["D14"] * 10
    assert name == CONSTANT and float(accuracy) == accuracy_score(LABELS, constant)
    expected = f1_score(LABELS, constant, average="macro", labels=["D14", "D2", "D26"])
    assert float(macro) == pytest.approx(expected, abs=5.1e-4)


def test_a_note_that_applies_to_all_appears_once(rows):
    assert classification_text(rows).note == (
        "10 drawings of 3 classes. Counted as wrong, class not in training: 1 of D26. "
        "In training, but without a test drawing: D3, D5, D6, D7, D8 and 1 more (orders [all]). it has not converged."
    )


def test_a_perfect_figure_is_1_000(tested):
    perfect = measure(["D14", "D2", "D26"], np.array([0] * 6 + [1] * 3 + [2])[:, None], tested)
    assert classification_text([("all right", perfect)]).rows[0][1:] == ["1.000", "1.000 to 1.000", "–", "1.000"]
    assert classification_text([("all right", perfect)]).note == "10 drawings of 3 classes."
    assert class_text("all right", perfect).note == ""


def test_classes_are_sorted_by_size_and_have_titles(rows):
    found = rows[0][1]
    table = class_text("orders [all]", found)
    assert [cells[:2] for cells in table.rows] == [
        ["D14 recording, communication, or information retrieval equipment", "6"],
        ["D2 apparel and haberdashery", "3"],
        ["D26 lighting", "1"],
    ]
    by_name = {of.name: of for of in found.classes}
    for cells in table.rows:
        of = by_name[cells[0].split()[0]]
        assert list(map(float, cells[2:])) == pytest.approx(of[2:], abs=5.1e-4)
    assert table.note == "Not in training: D26." and "orders [all]" in table.title
    text = printed(class_table(found))
    assert all(cell in text for cells in table.rows for cell in cells)
