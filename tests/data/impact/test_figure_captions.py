"""The text of each sheet of a patent."""

import ast
import csv
import re

import pytest

from fastpatent.data.impact.figure_captions import figure_descriptions, sheet_texts
from fastpatent.data.impact.patents import Patent

NAME = "USD0907292-20210105"


def patent(sheets, text, title="Shaver"):
    return Patent("table.csv:2", NAME, [f"{NAME}-D{number:05d}.TIF" for number in sheets], "D28", title, text)


def test_texts_of_a_patent_are_those_of_all_its_sheets():
    for kind in ["caption", "title"]:
        assert sheet_texts(patent([0, 1, 2], "A razor."), kind) == ["A razor."] * 3, f"{kind=}"
        assert sheet_texts(patent([0, 1], ""), kind) == [None, None], f"{kind=}"


def test_each_sheet_takes_the_description_of_its_figure():
    described = str(["FIG. 1 is a view;", "FIG. 2 is a side;", "FIG.3 the back."])
    assert sheet_texts(patent([0, 1, 2, 3], described), "description") == [
        "FIG. 1 is a view;",
        "FIG. 1 is a view;",
        "FIG. 2 is a side;",
        "FIG.3 the back.",
    ]


def test_a_remark_shifts_no_figure():
    """IMPACT truncates its lists to the number of figures: with a remark at the start, the last description is lost."""
    described = str(["The file of this patent contains a drawing in color.", "FIG. 1 is a view;"])
    assert sheet_texts(patent([0, 1, 2], described), "description") == ["FIG. 1 is a view;", "FIG. 1 is a view;", "Shaver"]


def test_sheets_with_two_figures_have_the_title():
    described = str(["FIG. 1 is a view;", "FIG. 2 is a side;", "FIG. 3 is the back."])
    assert sheet_texts(patent([0, 1, 2], described), "description") == ["FIG. 1 is a view;", "Shaver", "Shaver"]
    assert sheet_texts(patent([1, 2], described, title=""), "description") == [None, None]


def test_figures_by_their_numbers():
    hague = ["1. Belt buckle", "1.1 : Perspective", "1.2 : Front"]
    assert figure_descriptions(hague) == {1: "1.1 : Perspective", 2: "1.2 : Front"}
    assert figure_descriptions(["The FIGURE is a front view."]) == {1: "The FIGURE is a front view."}
    mixed = ["FIGS. 1-3 are views", "FIG. 12 is", "FIG. 4A is", "FIG. 12 again", "The broken lines of FIG. 5"]
    assert figure_descriptions(mixed) == {1: "FIGS. 1-3 are views", 12: "FIG. 12 is"}


def test_descriptions_that_are_no_list_are_refused():
    for field in ["", "no list", "{'FIG. 1'}", "[1, 2]", "__import__('os')", "[" * 5000]:
        with pytest.raises(ValueError, match="fig_desc is not a list of texts"):
            sheet_texts(patent([0, 1], field), "description")


def test_descriptions_of_real_patents_name_their_sheet(shared):
    """A sheet's description names the number of the sheet, whatever else is in the list."""
    described = 0
    with open(shared / "impact/sample.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        numbers = [int(name[-9:-4]) for name in ast.literal_eval(row["file_names"])]
        texts = sheet_texts(patent(numbers, row["fig_desc"], row["title"]), "description")
        for number, text in zip(numbers, texts):
            if text != row["title"]:
                described += 1
                assert re.match(rf"(FIGS?\. ?|1\.){max(number, 1)}\b|The FIGURE", text)
    assert described == 282
