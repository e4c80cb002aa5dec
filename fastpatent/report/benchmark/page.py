"""A benchmark as one self-contained HTML page."""

import io
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from fastpatent.evaluation.benchmark import Benchmark
from fastpatent.files import write_atomically
from fastpatent.report.benchmark.tables import headline, text_tables
from fastpatent.report.page import render
from fastpatent.report.picture import data_url

PALETTE = 128  # colours per picture; no visible difference for line drawings


def write_page(benchmark: Benchmark, pictures: Sequence[tuple[str, str, Path]], folder: str | Path) -> Path:
    """Write benchmark.html into a folder, which is created if missing.

    Args:
        benchmark: Benchmark.
        pictures: (title, caption, PNG file) in display order.
        folder: output folder.

    Returns:
        the path.
    """
    tables = []
    for table in text_tables(benchmark):
        columns = [{"title": name, "number": table.figures and place > 0} for place, name in enumerate(table.columns)]
        tables.append((table, columns if any(table.columns) else []))
    page = render(
        "benchmark.html",
        f"Benchmark on {benchmark.dataset}",
        facts=[headline(benchmark)],
        tables=tables,
        pictures=[(title, caption, _url(path)) for title, caption, path in pictures],
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "benchmark.html"
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    return path


def _url(path: Path) -> Markup:
    encoded = io.BytesIO()
    with Image.open(path, formats=("PNG",)) as picture:
        picture.convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE).save(encoded, "PNG", optimize=True)
    return data_url(encoded.getvalue(), "image/png")
