"""Ranked galleries: queries at the left, what was found beside them, right answers framed in green."""

import base64
import html
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fastpatent.data.image import read_drawing
from fastpatent.errors import DataError
from fastpatent.files import write_atomically

FRAMES = {"query": (60, 60, 60), "right": (22, 140, 60), "wrong": (200, 45, 40), "unknown": (150, 150, 150)}


def choose_queries(evaluation, count):
    """Choose `count` queries, evenly from the best AP to the worst; where nothing is known, evenly through the list."""
    if evaluation.metrics is None:
        order = np.arange(len(evaluation.splits.query))
    else:
        precision = evaluation.metrics.average_precision
        order = np.argsort(-np.where(np.isfinite(precision), precision, -1), kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))]


def gallery_picture(evaluation, queries=6, found=8, size=128):
    """Draw some queries with the first drawings found for each.

    Args:
        evaluation: Evaluation.
        queries, found: rows and, beside the query, columns.
        size: pixels a drawing is fitted into.

    Returns:
        uint8 array [height, width, 3].
    """
    chosen = choose_queries(evaluation, queries)
    found = min(found, evaluation.ranking.shape[1])
    gap, frame = 12, 3
    cell = size + 2 * frame + gap
    picture = Image.new("RGB", (cell * (found + 1) + 2 * gap, cell * len(chosen) + gap), "white")
    draw = ImageDraw.Draw(picture)
    for row, query in enumerate(chosen):
        for column, (sample, verdict) in enumerate(_row(evaluation, query, found)):
            left, top = gap + column * cell + (gap if column else 0), gap + row * cell
            draw.rectangle(
                (left, top, left + size + 2 * frame - 1, top + size + 2 * frame - 1), FRAMES[verdict], width=frame
            )
            picture.paste(_thumbnail(sample.path, size), (left + frame, top + frame))
    return np.asarray(picture)


def write_gallery(evaluation, path, queries=24, found=10):
    """Write `path`.png and `path`.html, a page that needs nothing but itself.

    Returns:
        the two paths.
    """
    path = Path(path)
    picture, page = path.with_name(path.name + ".png"), path.with_name(path.name + ".html")
    write_atomically(picture, lambda temporary: Image.fromarray(gallery_picture(evaluation)).save(temporary))
    write_atomically(page, lambda temporary: temporary.write_text(_page(evaluation, queries, found), encoding="utf-8"))
    return [picture, page]


def _row(evaluation, query, found):
    """List (sample, verdict) of one query and its first results."""
    splits = evaluation.splits
    asked = splits.query[query]
    row = [(asked, "query")]
    for index in evaluation.ranking[query, :found]:
        sample = splits.gallery[index]
        known = asked.identity is not None and sample.identity is not None
        row.append((sample, ("right" if sample.identity == asked.identity else "wrong") if known else "unknown"))
    return row


def _thumbnail(path, size):
    """Fit a drawing into a white square; a drawing that cannot be read leaves the square empty."""
    square = Image.new("L", (size, size), 255)
    try:
        drawing = Image.fromarray(read_drawing(path))
    except DataError:
        return square
    drawing.thumbnail((size, size), Image.Resampling.BOX)
    drawing = drawing.point(lambda grey: max(0, 2 * grey - 255))  # thin strokes would fade into the paper
    square.paste(drawing, ((size - drawing.width) // 2, (size - drawing.height) // 2))
    return square


def _page(evaluation, queries, found):
    found = min(found, evaluation.ranking.shape[1])
    rows = []
    for query in choose_queries(evaluation, queries):
        figures = []
        for sample, verdict in _row(evaluation, query, found):
            encoded = io.BytesIO()
            _thumbnail(sample.path, 160).quantize(16).save(encoded, "PNG", optimize=True)
            name = html.escape(Path(sample.path).name)
            colour = "#%02x%02x%02x" % FRAMES[verdict]
            source = base64.b64encode(encoded.getvalue()).decode()
            figures.append(
                f'<figure><img style="border-color:{colour}" alt="{verdict}: {name}" src="data:image/png;base64,{source}">'
                f"<figcaption>{name}</figcaption></figure>"
            )
        title = ""
        if evaluation.metrics is not None:
            title = f"<h2>AP {evaluation.metrics.average_precision[query]:.3f}</h2>"
        rows.append(f"<section>{title}<div>{''.join(figures)}</div></section>")
    summary = "  ".join(f"{name} {value:.4f}" for name, value in evaluation.summary.items() if isinstance(value, float))
    heading = html.escape(f"{evaluation.name} on {evaluation.splits.name}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{heading}</title><style>'
        "body{font:14px system-ui,sans-serif;margin:24px;color:#222}h2{font-size:14px;margin:18px 0 6px}"
        "div{display:flex;gap:10px;overflow-x:auto}figure{margin:0;width:118px;flex:none}figure:first-child{margin-right:16px}"
        "img{width:112px;border:3px solid}figcaption{font-size:10px;color:#666;overflow-wrap:anywhere}</style>"
        f"<h1>{heading}</h1><p>{html.escape(summary)}</p>"
        "<p>The query stands at the left; right answers are framed in green, wrong ones in red. "
        "Queries go from the best to the worst.</p>" + "".join(rows) + "</html>\n"
    )
