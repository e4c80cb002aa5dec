"""Tables of a benchmark in text and in the terminal."""

import io

import numpy as np

from fastpatent.evaluation.benchmark import FIGURES
from fastpatent.log import PlainConsole
from fastpatent.report.benchmark.tables import benchmark_table, headline, ranked, text_tables
from fastpatent.report.text_image import text_image_tables


def test_the_headline_has_the_counts(benchmark):
    assert headline(benchmark) == "1,234 queries of 567 patents, in a database of 4,321 drawings."


def test_systems_are_sorted_from_the_best_to_those_without_a_figure(benchmark):
    means = [result.figures["mAP"].mean for result in ranked(benchmark.results)]
    assert means[:-1] == sorted(means[:-1], reverse=True) and np.isnan(means[-1])


def test_a_cell_holds_the_mean_and_half_of_the_interval(benchmark):
    for table, part in zip(text_tables(benchmark), ("figures", "without_twin")):
        of_system = {result.system: getattr(result, part) for result in benchmark.results}
        for name, *cells in table.rows[:3]:
            for column, cell in zip(FIGURES, cells):
                mean, half = map(float, cell.split(" ± "))
                assert abs(mean - of_system[name][column].mean) <= 0.0005 and half == 0.035 and cell.startswith("."), part
        assert set(table.rows[3][1:]) == {"–"}, part


def test_the_highest_figures_are_marked(benchmark):
    table = text_tables(benchmark)[0]
    for column in range(1, len(FIGURES) + 1):
        cells = [float(row[column].split()[0]) if row[column] != "–" else -1 for row in table.rows[:4]]
        assert {row for row, best in table.best if best == column} == {n for n, v in enumerate(cells) if v == max(cells)}


def test_published_figures_are_below_ours_as_they_were_printed(benchmark):
    table = text_tables(benchmark)[0]
    assert table.rows[-1] == ["PatentNet (published: Kucer & al.)", ".376", ".6915", "–", ".840", "–", "–"]
    assert table.published == 1 and "Published" in table.note
    benchmark.published = []
    table = text_tables(benchmark)[0]
    assert table.published == 0 and "Published" not in table.note


def test_without_front_pages_a_sentence_replaces_the_table(benchmark):
    assert "in the database: 89." in text_tables(benchmark)[1].note
    benchmark.counts["front pages"] = 0
    table = text_tables(benchmark)[1]
    assert table.rows == [] and "holds no such drawing" in table.note


def test_growth_has_every_size_of_the_systems_that_were_measured(benchmark):
    table = text_tables(benchmark)[2]
    assert table.columns == ["system", "100", "1,000", "5,000"]
    of_system = {result.system: result.growth["mAP"] for result in benchmark.results[:3]}
    assert {name: [float(cell) for cell in cells] for name, *cells in table.rows} == {
        name: [round(value, 3) for value in values] for name, values in of_system.items()
    }
    for result in benchmark.results:
        result.growth = {}
    assert "Database size" not in [table.title for table in text_tables(benchmark)]


def test_systems_setup_and_unmeasured_systems_have_tables(benchmark):
    tables = {table.title: table.rows for table in text_tables(benchmark)}
    assert ["plain_name", "24", "logs/plain_name"] in tables["Systems"]
    assert tables["Not measured"] == [["R7", "no weights"]]
    assert tables["Setup"] == [["seed", "3"], ["command", "a | b"]]


def test_texts_have_tables_of_their_own(with_texts):
    expected = text_image_tables(with_texts.texts)
    assert [table for table in text_tables(with_texts) if table in expected] == expected and len(expected) == 2


def test_the_terminal_shows_names_as_they_are(benchmark):
    console = PlainConsole(width=140, file=io.StringIO())
    console.print(benchmark_table(benchmark))
    text = console.file.getvalue()
    figure = benchmark.results[2].figures["mAP"]
    line = next(line for line in text.splitlines() if "*a* _b_ [c](d) & $x^2$" in line)
    assert f"{figure.mean:.3f}"[1:] in line and f"{figure.low:.3f}"[1:] + " to " + f"{figure.high:.3f}"[1:] in line
    assert "no twin" in text and "published: PatentNet" in text
    benchmark.counts["front pages"] = 0
    assert "mAP, no twin" not in [column.header for column in benchmark_table(benchmark).columns]
