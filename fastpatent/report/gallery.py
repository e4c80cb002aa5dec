"""Ranked galleries: each query with its top results, and a relevant drawing that was missed if all results are wrong."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fastpatent.data.records import Sample
from fastpatent.data.splitting import hashed_order
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.files import check_output, head, write_atomically
from fastpatent.report.page import page_head, plain
from fastpatent.report.picture import is_our_png, picture_url, thumbnail, write_png
from fastpatent.report.tables import interval_text
from fastpatent.text import one_line, short_line

FRAMES = {  # colours of Okabe & Ito, 2008, safe for colour-blind readers
    "query": (60, 60, 60),
    "right": (0, 150, 110),
    "wrong": (213, 84, 0),
    "unknown": (150, 150, 150),
    "missed": (0, 114, 178),
}
STYLE = (
    "body{font:14px system-ui,sans-serif;margin:24px;color:#222;overflow-wrap:anywhere}h2{font-size:14px;margin:18px 0 6px}"
    "div{display:flex;gap:10px;overflow-x:auto}figure{margin:0;width:118px;flex:none}figure:first-child{margin-right:16px}"
    "img{width:112px;border:3px solid}figcaption{font-size:10px;color:#666}"
) + "".join(f".{verdict}{{border-color:#{bytes(colour).hex()}}}" for verdict, colour in FRAMES.items())
SHOWN = 200  # characters of a caption or a name: two lines of a page, one of a picture
KEY = (
    "The query is at the left. Correct results have a green frame, wrong ones an orange frame. If no result is correct, one "
    "of the relevant drawings follows in blue."
)


def choose_queries(evaluation: Evaluation, count: int) -> np.ndarray:
    """Choose `count` queries, evenly spaced from best to worst AP, or in the list if there are no metrics; int64 rows."""
    if evaluation.metrics is None:
        order = np.arange(len(evaluation.splits.query))
    else:
        precision = evaluation.metrics.average_precision
        order = np.argsort(-np.where(np.isfinite(precision), precision, -1), kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))]


def best_and_worst(evaluation: Evaluation, count: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Choose the queries with the highest and with the lowest AP, each of a different patent.

    Ties are broken by more relevant drawings, then by a fixed random order.

    Args:
        evaluation: Evaluation with metrics.
        count: number of each, at most half of the patents.

    Returns:
        two disjoint int64 arrays of rows of splits.query, the extreme first.
    """
    metrics, samples = evaluation.metrics, evaluation.splits.query
    assert metrics is not None
    order = hashed_order(map(str, np.flatnonzero(metrics.matched)), 0)
    rows = np.array([int(row) for row in order], np.int64)
    precision, relevant = metrics.average_precision[rows], metrics.relevant[rows]
    count = min(count, (len({samples[row].identity for row in rows}) + 1) // 2)

    def choose(order: np.ndarray, taken: set[int]) -> np.ndarray:
        chosen: dict[str | None, int] = {}
        for row in rows[order].tolist():
            if len(chosen) < count and row not in taken:
                chosen.setdefault(samples[row].identity, row)
        return np.array(list(chosen.values()), np.int64)

    best = choose(np.lexsort((-relevant, -precision)), set())
    return best, choose(np.lexsort((-relevant, precision)), set(best.tolist()))


def gallery_picture(
    evaluation: Evaluation, queries: Sequence[int] | np.ndarray | None = None, found: int = 8, size: int = 128
) -> np.ndarray:
    """Draw queries with their top results.

    Args:
        evaluation: Evaluation.
        queries: rows of splits.query, one per line of the picture; None: six from best to worst.
        found: results per query.
        size: side of the square of each drawing, in pixels.

    Returns:
        uint8 [height, width, 3].
    """
    queries = choose_queries(evaluation, 6) if queries is None else queries
    lines = [_row(evaluation, query, found) for query in queries]
    headings = [_heading(evaluation, query) for query in queries]
    gap, frame, heading = 12, 3, 22 if any(headings) else 0
    cell = size + 2 * frame + gap
    width = cell * (min(found, evaluation.ranking.shape[1]) + 1) + 2 * gap
    missing = any(verdict == "missed" for line in lines for _, verdict in line)
    picture = Image.new("RGB", (width + missing * (cell + gap), (cell + heading) * len(lines) + gap), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    for number, (title, line) in enumerate(zip(headings, lines)):
        top = gap + number * (cell + heading)
        draw.text((gap, top), title, (60, 60, 60), font)
        for column, (sample, verdict) in enumerate(line):
            left = gap + column * cell + {"query": 0, "missed": 2 * gap}.get(verdict, gap)
            right, bottom = left + size + 2 * frame - 1, top + heading + size + 2 * frame - 1
            draw.rectangle((left, top + heading, right, bottom), FRAMES[verdict], width=frame)
            picture.paste(thumbnail(sample.path, size), (left + frame, top + heading + frame))
    return np.asarray(picture)


def check_gallery(path: str | Path) -> None:
    """Raise DataError where `path`.png or `path`.html is there and `write_gallery` has not written it."""
    picture, page = _files(path)
    check_output(page, "the gallery", _is_our_page)
    check_output(picture, "the gallery", lambda found: is_our_png(found) or _is_our_page(page))


def _files(path: str | Path) -> tuple[Path, Path]:
    path = Path(path)
    return path.with_name(path.name + ".png"), path.with_name(path.name + ".html")


def _is_our_page(page: Path) -> bool:
    return KEY.encode() in head(page)


def write_gallery(evaluation: Evaluation, path: str | Path, queries: int = 24, found: int = 10) -> list[Path]:
    """Write `path`.png and `path`.html, a self-contained page.

    Returns:
        the two paths.
    """
    picture, page = _files(path)
    write_png(picture, gallery_picture(evaluation))
    write_atomically(page, lambda temporary: temporary.write_text(_page(evaluation, queries, found), encoding="utf-8"))
    return [picture, page]


def _row(evaluation: Evaluation, query: int, found: int) -> list[tuple[Sample, str]]:
    """List (sample, verdict) of one query, its top results, and a missed relevant drawing if none of them is correct."""
    splits = evaluation.splits
    asked = splits.query[query]
    row = [(asked, "query")] if asked.path else []  # a text-only query has no drawing
    for index in evaluation.ranking[query, :found]:
        sample = splits.gallery[index]
        known = asked.identity is not None and sample.identity is not None
        row.append((sample, ("right" if sample.identity == asked.identity else "wrong") if known else "unknown"))
    if asked.identity is not None and not any(verdict == "right" for _, verdict in row):
        row += [(sample, "missed") for sample in splits.gallery if sample.identity == asked.identity][:1]
    return row


def _heading(evaluation: Evaluation, query: int) -> str:
    """Return a query's identity and metrics; without these its caption, or an empty string."""
    metrics, sample = evaluation.metrics, evaluation.splits.query[query]
    if metrics is None or sample.identity is None:
        return one_line(sample.caption or "", SHOWN)
    identity = short_line(sample.identity, SHOWN)
    if not metrics.matched[query]:
        return f"{identity}: no relevant drawing in the database"
    relevant, first = metrics.relevant[query], metrics.first_hit[query]
    return f"{identity}: AP {metrics.average_precision[query]:.3f}, first of {relevant:,} relevant at rank {first:,}"


def _page(evaluation: Evaluation, queries: int, found: int) -> str:
    rows = []
    for query in choose_queries(evaluation, queries):
        figures = []
        for sample, verdict in _row(evaluation, query, found):
            name = plain(Path(sample.path).name, SHOWN)
            figures.append(
                f'<figure><img class="{verdict}" alt="{verdict}: {name}" src="{picture_url(sample.path, 160)}">'
                f"<figcaption>{name}</figcaption></figure>"
            )
        title = plain(_heading(evaluation, query))
        rows.append(f"<section>{f'<h2>{title}</h2>' if title else ''}<div>{''.join(figures)}</div></section>")
    summary = "  ".join(
        f"{name} {value:.4f}" + (f" [{interval_text(evaluation.intervals[name])}]" if name in evaluation.intervals else "")
        for name, value in evaluation.summary.items()
        if isinstance(value, float)
    )
    doubts = "".join(f"<p>Warning: {plain(warning)}.</p>" for warning in evaluation.warnings)
    return (
        f"{page_head(f'{evaluation.name} on {evaluation.splits.name}', STYLE)}<p>{plain(summary)}</p>{doubts}"
        f"<p>{KEY} Queries are sorted from best to worst.</p>{''.join(rows)}</body></html>\n"
    )
