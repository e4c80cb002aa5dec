"""A benchmark as one self-contained HTML page."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from fastpatent.evaluation.benchmark import Benchmark
from fastpatent.files import write_atomically
from fastpatent.report.benchmark.tables import headline, text_tables
from fastpatent.report.page import page_head, plain
from fastpatent.report.tables import TextTable

PALETTE = 128  # colours per picture; no visible difference for line drawings
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1100px; margin: 0 auto; padding: 16px }
h1 { font-size: 24px; margin: 8px 0 }
h2 { font-size: 18px; margin: 36px 0 6px }
p, figcaption { max-width: 75ch; margin: 6px 0; color: #444 }
h1, h2, p, figcaption { overflow-wrap: anywhere }
.wide { overflow-x: auto }
table { border-collapse: collapse; border: solid #222; border-width: 2px 0; margin: 10px 0; font-size: 13px }
th { text-align: left; font-weight: 600; border-bottom: 1px solid #222; white-space: nowrap }
th, td { padding: 4px 18px 4px 0; vertical-align: top }
th:first-child, td:first-child { min-width: 150px; overflow-wrap: anywhere }
.figures td + td, .figures th + th { text-align: right; white-space: nowrap; padding: 4px 0 4px 18px }
.figures { font-variant-numeric: tabular-nums }
.published { color: #666 }
tr:not(.published) + .published td { border-top: 1px solid #222 }
tbody tr:hover { background: #f3f3f3 }
figure { margin: 0 }
img { display: block; max-width: 100%; height: auto; margin: 10px 0; cursor: zoom-in }
input { position: absolute; opacity: 0 }
input:checked + img { max-width: none; cursor: zoom-out }
input:focus-visible + img { outline: 2px solid #0072b2 }
"""


def write_page(benchmark: Benchmark, pictures: Sequence[tuple[str, str, Path]], folder: str | Path) -> Path:
    """Write benchmark.html into a folder, which is created if missing.

    Args:
        benchmark: Benchmark.
        pictures: (title, caption, PNG file) in display order.
        folder: output folder.

    Returns:
        the path.
    """
    tables = text_tables(benchmark)
    page = [
        page_head(f"Benchmark on {benchmark.dataset}", STYLE),
        f"<p>{plain(headline(benchmark))}</p>",
        *(_table(table) for table in tables if table.figures),
        *(["<p>Click a picture to see it in full size.</p>"] if pictures else []),
        *(_picture(*picture) for picture in pictures),
        *(_table(table) for table in tables if not table.figures),
        "</body></html>\n",
    ]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "benchmark.html"
    write_atomically(path, lambda temporary: temporary.write_text("\n".join(page), encoding="utf-8"))
    return path


def _table(table: TextTable) -> str:
    page = [f"<h2>{plain(table.title)}</h2>"]
    if table.note:
        page.append(f"<p>{plain(table.note)}</p>")
    if table.rows:
        page.append(f'<div class="wide"><table{" class=figures" if table.figures else ""}>')
        if any(table.columns):
            head = "".join(f"<th>{plain(name)}</th>" for name in table.columns)
            page.append(f"<thead><tr>{head}</tr></thead>")
        page += ["<tbody>", *(_row(table, number) for number in range(len(table.rows))), "</tbody></table></div>"]
    return "\n".join(page)


def _row(table: TextTable, number: int) -> str:
    cells = [plain(cell) for cell in table.rows[number]]
    cells = [f"<b>{cell}</b>" if (number, column) in table.best else cell for column, cell in enumerate(cells)]
    published = " class=published" if number >= len(table.rows) - table.published else ""
    return f"<tr{published}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _picture(title: str, caption: str, path: Path) -> str:
    """Return the HTML of a picture at page width; a click toggles its full size."""
    encoded = io.BytesIO()
    with Image.open(path, formats=("PNG",)) as picture:
        picture.convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE).save(encoded, "PNG", optimize=True)
    source = base64.b64encode(encoded.getvalue()).decode()
    title = plain(title)
    return (
        f"<h2>{title}</h2><figure><figcaption>{plain(caption)}</figcaption>"
        f'<div class="wide"><label><input type="checkbox" aria-label="{title} in full size">'
        f'<img alt="{title}" src="data:image/png;base64,{source}"></label></div></figure>'
    )
