"""A benchmark as CSV, JSON and Markdown, read back."""

import csv
import json
import re

import numpy as np
import pytest

from fastpatent.evaluation.benchmark import FIGURES
from fastpatent.report.benchmark.files import write_tables
from fastpatent.report.benchmark.tables import text_tables


def test_the_csv_has_every_figure_in_full(benchmark, tmp_path):
    path = next(path for path in write_tables(benchmark, tmp_path / "new") if path.suffix == ".csv")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ours = {(row["system"], row["figure"]): row for row in rows if row["published"] == "no"}
    assert len(ours) == len(benchmark.results) * len(FIGURES)
    for result in benchmark.results:
        for name in FIGURES:
            row = ours[result.system.replace("\n", r"\n"), name]
            source = result.source.replace("\n", r"\n")
            assert (row["dataset"], row["source"], int(row["dim"])) == ("toy<&>", source, result.dim)
            for prefix, figures in (("", result.figures), ("without_twin_", result.without_twin)):
                for side, value in figures[name]._asdict().items():
                    cell = row[prefix + side]
                    assert cell == "" if np.isnan(value) else float(cell) == value
    published = [(row["system"], row["figure"], row["mean"], row["low"]) for row in rows if row["published"] == "yes"]
    assert published == [("PatentNet", name, str(v), "") for name, v in benchmark.published[0][2].items()]


def test_the_json_holds_everything(benchmark, tmp_path):
    benchmark.sizes = list(np.array(benchmark.sizes))
    path = next(path for path in write_tables(benchmark, tmp_path) if path.suffix == ".json")
    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda constant: 1 / 0)
    assert set(found) == {"dataset", "counts", "results", "published", "sizes", "made", "missing", "texts", "warnings"}
    assert found["counts"] == benchmark.counts and found["sizes"] == benchmark.sizes and found["made"] == benchmark.made
    assert found["published"] == [{"system": "PatentNet", "source": "Kucer & al.", "figures": benchmark.published[0][2]}]
    assert found["missing"] == [{"system": "R7", "why": "no weights"}]
    for result, ours in zip(found["results"], benchmark.results):
        assert (result["system"], result["source"], result["dim"]) == (ours.system, ours.source, ours.dim)
        assert result["growth"] == ours.growth
        for part in ("figures", "without_twin"):
            expected = {name: figure._asdict() for name, figure in getattr(ours, part).items()}
            if ours is benchmark.results[3]:
                expected = {name: dict.fromkeys(figure) for name, figure in expected.items()}
            assert result[part] == expected


def test_the_json_has_the_metrics_of_texts(with_texts, tmp_path):
    path = next(path for path in write_tables(with_texts, tmp_path) if path.suffix == ".json")
    ((system, metrics),) = with_texts.texts
    (found,) = json.loads(path.read_text(encoding="utf-8"))["texts"]
    assert (found["system"], found["pairs"], found["patents"], found["texts"]) == (system, 12, 6, 12)
    assert found["summary"] == pytest.approx(metrics.summary)
    assert len(found["directions"]) == 4
    for (direction, right), expected in metrics.directions.items():
        of_direction = found["directions"][f"{direction}, {right}"]
        assert of_direction["recall"] == {str(k): figure._asdict() for k, figure in expected.recall.items()}
        assert of_direction["median_rank"] == expected.median_rank


def test_the_markdown_shows_the_tables_and_no_name_is_markup(benchmark, tmp_path):
    path = next(path for path in write_tables(benchmark, tmp_path) if path.suffix == ".md")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Benchmark on toy\\<&>\n") and not re.search(r"(?<!\\)<", text)
    found = []
    for block in text.split("\n\n"):
        if block.startswith("|"):
            lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
            assert len({len(cells) for cells in lines}) == 1
            found.append([[_shown(cell) for cell in cells] for cells in lines[2:]])
    expected = [[[" ".join(cell.split()) for cell in row] for row in table.rows] for table in text_tables(benchmark)]
    assert found == expected


def _shown(cell):
    """Undo bold and escapes."""
    cell = re.sub(r"^\*\*(.*)\*\*$", r"\1", cell.strip())
    assert not re.search(r"(?<!\\)[*`<\[]", cell)
    return re.sub(r"\\(.)", r"\1", cell)
