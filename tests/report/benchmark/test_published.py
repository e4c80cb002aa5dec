"""Published figures against the text of the papers."""

import re

import pytest

from fastpatent.evaluation.benchmark import FIGURES
from fastpatent.report.benchmark.published import published_figures


@pytest.mark.parametrize("stage, heading", [("val", "Table 1:"), ("test", "Table 2:")])
def test_figures_are_those_of_the_paper(shared, stage, heading):
    paper = next((shared / "sources").glob("003_*")).read_text(encoding="utf-8")
    above = paper[: paper.index(heading)]
    table = above[above.rindex("Method\t") :]
    printed = sorted(tuple(map(float, figures)) for figures in re.findall(r"\t([.\d]+)" * 4, table))
    ours = [figures for _, source, figures in published_figures(stage) if "WACV" in source and len(figures) == 4]
    assert sorted(tuple(figures[name] for name in FIGURES[:4]) for figures in ours) == printed and len(printed) >= 9


@pytest.mark.parametrize("stage", ["val", "test"])
def test_rows_name_figures_that_tables_have(stage):
    rows = published_figures(stage)
    assert len({system for system, _, _ in rows}) == len(rows)
    for _, source, figures in rows:
        assert source and figures and set(figures) <= set(FIGURES) and all(0 < value < 1 for value in figures.values())
