"""A benchmark as text tables, for the Markdown file, the HTML page and the terminal."""

from collections.abc import Iterable

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from fastpatent.evaluation.benchmark import FIGURES, Benchmark, SystemResult
from fastpatent.evaluation.intervals import Figure
from fastpatent.report.tables import NOTHING, TextTable
from fastpatent.report.text_image import text_image_tables

TWIN = (
    "The front-page drawing (D00000) of a query's own patent, most often a near copy of another sheet, is excluded from its "
    "relevant drawings and from the database."
)


def ranked(results: Iterable[SystemResult]) -> list[SystemResult]:
    """Return results by descending mAP; those without one come last."""
    return sorted(results, key=lambda result: -np.nan_to_num(result.figures["mAP"].mean, nan=-1.0))


def headline(benchmark: Benchmark) -> str:
    """Return the size of the data set in one sentence, and what makes its figures doubtful."""
    counts = benchmark.counts
    queries, patents, database = (f"{counts[name]:,}" for name in ("queries", "patents", "database"))
    return f"{queries} queries of {patents} patents, in a database of {database} drawings." + "".join(
        f" Warning: {warning}." for warning in benchmark.warnings
    )


def text_tables(benchmark: Benchmark) -> list[TextTable]:
    """Return all tables of a benchmark: figures, figures without twins, growth, text retrieval, systems, setup."""
    results = ranked(benchmark.results)
    note = (
        "Mean over queries ± half of the 95% interval, bootstrapped over patents. mAP@max is AP cut at the largest number "
        "of relevant drawings of any query."
    )
    published = [
        [f"{system} (published: {source})", *(_printed(figures.get(name)) for name in FIGURES)]
        for system, source, figures in benchmark.published
    ]
    if published:
        note += " Published rows are from the papers, on the same lists; they have no interval."
    tables = [_figure_table("Figures", note, [(result.system, result.figures) for result in results])]
    tables[0].rows += published
    tables[0].published = len(published)
    if benchmark.counts["front pages"]:
        rows = [(result.system, result.without_twin) for result in results]
        twins = f"{TWIN} Such drawings in the database: {benchmark.counts['front pages']:,}."
    else:
        rows = []
        twins = f"{TWIN} The database holds no such drawing, so the figures are those above."
    tables.append(_figure_table("Without the front-page twin", twins, rows))
    grown = [result for result in results if result.growth]
    if grown:
        tables.append(_growth_table(benchmark.sizes, grown))
    if benchmark.texts:
        tables += text_image_tables(benchmark.texts)
    sources = [[result.system, f"{result.dim:,}", result.source] for result in results]
    tables.append(TextTable("Systems", "", ["system", "dimensions", "source"], sources, figures=False))
    if benchmark.missing:
        missing = [list(row) for row in benchmark.missing]
        tables.append(TextTable("Not measured", "", ["system", "why"], missing, figures=False))
    made = [[what, str(value)] for what, value in benchmark.made.items()]
    tables.append(TextTable("Setup", "", ["", ""], made, figures=False))
    return tables


def benchmark_table(benchmark: Benchmark) -> Table:
    """Return the means, and the interval of the mAP, for a terminal."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    twins = ["mAP, no twin"] if benchmark.counts["front pages"] else []
    table.add_column("system", overflow="fold")
    for name in (FIGURES[0], "95% interval", *FIGURES[1:], *twins):
        table.add_column(name, justify="right", no_wrap=True)
    for result in ranked(benchmark.results):
        means = [_number(result.figures[name].mean) for name in FIGURES]
        interval = f"{_number(result.figures['mAP'].low)} to {_number(result.figures['mAP'].high)}"
        means += [_number(result.without_twin["mAP"].mean) for _ in twins]
        table.add_row(result.system, means[0], interval, *means[1:])
    for system, _, figures in benchmark.published:
        means = [_printed(figures.get(name)) for name in FIGURES] + [NOTHING for _ in twins]
        table.add_row(f"published: {system}", means[0], NOTHING, *means[1:], style="dim")
    return table


def _figure_table(title: str, note: str, rows: list[tuple[str, dict[str, Figure]]]) -> TextTable:
    """Return the table of [(system, {name: Figure})]."""
    text = [[system, *(_with_interval(figures[name]) for name in FIGURES)] for system, figures in rows]
    means = [[figures[name].mean for name in FIGURES] for _, figures in rows]
    return TextTable(title, note, ["system", *FIGURES], text, _best(means))


def _growth_table(sizes: list[int], results: list[SystemResult]) -> TextTable:
    means = [result.growth["mAP"] for result in results]
    rows = [[result.system, *map(_number, values)] for result, values in zip(results, means)]
    note = "mAP by number of drawings in the database."
    return TextTable("Database size", note, ["system", *(f"{size:,}" for size in sizes)], rows, _best(means))


def _best(means: list[list[float]]) -> set[tuple[int, int]]:
    """Return {(row, column of the table)} of the highest figures, rounded to three decimals as shown."""
    shown = np.round(np.array(means, dtype=float), 3)
    if len(shown) < 2:
        return set()
    highest = np.where(np.isnan(shown), -np.inf, shown).max(axis=0)
    return {(int(row), int(column) + 1) for row, column in np.argwhere(shown == highest)}


def _with_interval(figure: Figure) -> str:
    mean, low, high = Figure(*figure)
    return _number(mean) if np.isnan([mean, low, high]).any() else f"{_number(mean)} ± {_number((high - low) / 2)}"


def _number(value: float) -> str:
    """Format a fraction with three decimals, without the leading zero."""
    return NOTHING if np.isnan(value) else f"{value:.3f}".removeprefix("0")


def _printed(value: float | None) -> str:
    """Format a published fraction with its original three or four decimals."""
    return NOTHING if value is None else f"{value:.4f}".removeprefix("0").removesuffix("0")
