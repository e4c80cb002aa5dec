"""A benchmark as Markdown, CSV and JSON files."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastpatent.data.tables import write_csv
from fastpatent.evaluation.benchmark import FIGURES, Benchmark
from fastpatent.evaluation.intervals import Figure
from fastpatent.evaluation.text_image import TextImageMetrics
from fastpatent.files import ESCAPED, check_output, head, write_atomically
from fastpatent.report.benchmark.drawing_map import METHODS
from fastpatent.report.benchmark.tables import headline, ranked, text_tables
from fastpatent.report.markdown import escape_markdown, markdown_table
from fastpatent.report.picture import is_our_png
from fastpatent.report.tables import TextTable

NO_FIGURE = Figure(math.nan, math.nan, math.nan)
COLUMNS = ["dataset", "system", "source", "published", "dim", "figure"]
COLUMNS += [f"{side}{name}" for side in ("", "without_twin_") for name in Figure._fields]


PAGE = "benchmark.html"
PICTURES = ("growth.png", "gallery_best.png", "gallery_worst.png", *(f"map_{method.lower()}.png" for method in METHODS))


def check_benchmark(folder: Path) -> None:
    """Raise DataError where a folder has a file that a benchmark would replace and that none has written.

    The pictures are written first and have a mark; where the page is a benchmark's, all files are.
    """
    page = folder / PAGE
    for name in (PAGE, *PICTURES, "benchmark.md", "benchmark.csv", "benchmark.json"):
        check_output(folder / name, "the benchmark", lambda path: _is_page(page) if page.exists() else is_our_png(path))


def _is_page(path: Path) -> bool:
    return b"<title>Benchmark on " in head(path)


def write_tables(benchmark: Benchmark, folder: str | Path) -> list[Path]:
    """Write benchmark.md, benchmark.csv and benchmark.json into a folder, which is created if missing.

    The CSV has one row per system and figure in full precision; unknown values are empty. The JSON has all fields of
    `Benchmark`, with null for NaN.

    Returns:
        the three paths.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"benchmark.md": _markdown(benchmark), "benchmark.json": _json(benchmark)}
    for name, text in texts.items():
        write_atomically(folder / name, lambda temporary: temporary.write_text(text, encoding="utf-8", errors=ESCAPED))
    write_atomically(folder / "benchmark.csv", lambda temporary: write_csv(temporary, _rows(benchmark)))
    return [folder / f"benchmark.{suffix}" for suffix in ("md", "csv", "json")]


def _markdown(benchmark: Benchmark) -> str:
    parts = [f"# Benchmark on {escape_markdown(benchmark.dataset)}", escape_markdown(headline(benchmark))]
    for table in text_tables(benchmark):
        parts += [f"## {escape_markdown(table.title)}", *filter(None, [escape_markdown(table.note)])]
        if table.rows:
            parts.append(_markdown_table(table))
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: TextTable) -> str:
    def marked(row: int, column: int, cell: str) -> str:
        return f"**{escape_markdown(cell)}**" if (row, column) in table.best else escape_markdown(cell)

    rows = [[marked(row, column, cell) for column, cell in enumerate(cells)] for row, cells in enumerate(table.rows)]
    return markdown_table(table.columns, rows, [False, *[table.figures] * (len(table.columns) - 1)])


def _rows(benchmark: Benchmark) -> Iterator[list[Any]]:
    yield COLUMNS
    for result in ranked(benchmark.results):
        for name in FIGURES:
            about = [benchmark.dataset, result.system, result.source, "no", result.dim, name]
            yield [*about, *_fields(result.figures[name]), *_fields(result.without_twin.get(name, NO_FIGURE))]
    for system, source, figures in benchmark.published:
        for name, mean in figures.items():
            about = [benchmark.dataset, system, source, "yes", None, name]
            yield [*about, *_fields(Figure(mean, math.nan, math.nan)), *_fields(NO_FIGURE)]


def _fields(figure: Figure) -> list[float | None]:
    return [None if math.isnan(value) else float(value) for value in figure]


def _json(benchmark: Benchmark) -> str:
    contents = asdict(benchmark)
    contents["published"] = [
        {"system": system, "source": source, "figures": figures} for system, source, figures in benchmark.published
    ]
    contents["texts"] = [{"system": system, **_text_figures(found)} for system, found in benchmark.texts]
    contents["missing"] = [{"system": system, "why": why} for system, why in benchmark.missing]
    return json.dumps(_plain(contents), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _text_figures(found: TextImageMetrics) -> dict[str, Any]:
    """Return TextImageMetrics as a dict, with the two parts of a direction's key joined."""
    figures = asdict(found)
    directions = {f"{direction}, {right}": of._asdict() for (direction, right), of in found.directions.items()}
    return figures | {"directions": directions}


def _plain(value: Any) -> Any:
    """Convert to dicts, lists and Python numbers for JSON; Figure becomes a dict, NaN None."""
    if isinstance(value, Figure):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return _plain(value.tolist())
    return None if isinstance(value, float) and math.isnan(value) else value
