"""Ranked galleries: queries at the left, what was found beside them, and what was missed where nothing right was found."""

import base64
import html
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fastpatent.data.datasets.drawings import hashed_order
from fastpatent.files import write_atomically
from fastpatent.report.picture import thumbnail, write_png

FRAMES = {  # of Okabe & Ito, 2008: green and orange stay apart for the colour-blind
    "query": (60, 60, 60),
    "right": (0, 150, 110),
    "wrong": (213, 84, 0),
    "unknown": (150, 150, 150),
    "missed": (0, 114, 178),
}
KEY = (
    "The query stands at the left; right answers are framed in green, wrong ones in orange. Where none is right, one of the "
    "drawings that should have been found follows in blue."
)


def choose_queries(evaluation, count):
    """Choose `count` queries, evenly from the best AP to the worst; where nothing is known, evenly through the list."""
    if evaluation.metrics is None:
        order = np.arange(len(evaluation.splits.query))
    else:
        precision = evaluation.metrics.average_precision
        order = np.argsort(-np.where(np.isfinite(precision), precision, -1), kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))]


def best_and_worst(evaluation, count=8):
    """Choose the queries of the highest and of the lowest AP, each of another patent.

    Of equal ones those with more relevant drawings come first, then chance decides, alike at every call.

    Args:
        evaluation: Evaluation with metrics.
        count: how many of each, but no more than half of the patents.

    Returns:
        two int64 arrays of rows of splits.query without a common one, the extreme first.
    """
    metrics, samples = evaluation.metrics, evaluation.splits.query
    rows = np.array(hashed_order(np.flatnonzero(metrics.matched).tolist(), 0), np.int64)
    precision, relevant = metrics.average_precision[rows], metrics.relevant[rows]
    count = min(count, (len({samples[row].identity for row in rows}) + 1) // 2)

    def choose(order, taken):
        chosen = {}
        for row in rows[order].tolist():
            if len(chosen) < count and row not in taken:
                chosen.setdefault(samples[row].identity, row)
        return np.array(list(chosen.values()), np.int64)

    best = choose(np.lexsort((-relevant, -precision)), set())
    return best, choose(np.lexsort((-relevant, precision)), set(best.tolist()))


def gallery_picture(evaluation, queries=None, found=8, size=128):
    """Draw some queries with the first drawings found for each.

    Args:
        evaluation: Evaluation.
        queries: rows of splits.query, one a line of the picture; None: six from the best to the worst.
        found: columns beside the query.
        size: pixels a drawing is fitted into.

    Returns:
        uint8 array [height, width, 3].
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
    for number, (told, line) in enumerate(zip(headings, lines)):
        top = gap + number * (cell + heading)
        draw.text((gap, top), told, (60, 60, 60), font)
        for column, (sample, verdict) in enumerate(line):
            left = gap + column * cell + {"query": 0, "missed": 2 * gap}.get(verdict, gap)
            right, bottom = left + size + 2 * frame - 1, top + heading + size + 2 * frame - 1
            draw.rectangle((left, top + heading, right, bottom), FRAMES[verdict], width=frame)
            picture.paste(thumbnail(sample.path, size), (left + frame, top + heading + frame))
    return np.asarray(picture)


def write_gallery(evaluation, path, queries=24, found=10):
    """Write `path`.png and `path`.html, a page that needs nothing but itself.

    Returns:
        the two paths.
    """
    path = Path(path)
    picture, page = path.with_name(path.name + ".png"), path.with_name(path.name + ".html")
    write_png(picture, gallery_picture(evaluation))
    write_atomically(page, lambda temporary: temporary.write_text(_page(evaluation, queries, found), encoding="utf-8"))
    return [picture, page]


def _row(evaluation, query, found):
    """List (sample, verdict) of one query, its first results, and a drawing that was missed where none of them is right."""
    splits = evaluation.splits
    asked = splits.query[query]
    row = [(asked, "query")] if asked.path else []  # who asks by a text alone shows nothing
    for index in evaluation.ranking[query, :found]:
        sample = splits.gallery[index]
        known = asked.identity is not None and sample.identity is not None
        row.append((sample, ("right" if sample.identity == asked.identity else "wrong") if known else "unknown"))
    if asked.identity is not None and not any(verdict == "right" for _, verdict in row):
        row += [(sample, "missed") for sample in splits.gallery if sample.identity == asked.identity][:1]
    return row


def _heading(evaluation, query):
    """Tell a query's identity and figures; where these are not known its caption, empty where it has none."""
    metrics, sample = evaluation.metrics, evaluation.splits.query[query]
    identity = sample.identity
    if metrics is None or identity is None:
        return sample.caption or ""
    if not metrics.matched[query]:
        return f"{identity}: nothing relevant in the database"
    relevant, first = metrics.relevant[query], metrics.first_hit[query]
    return f"{identity}: AP {metrics.average_precision[query]:.3f}, first of {relevant:,} relevant at rank {first:,}"


def _page(evaluation, queries, found):
    rows = []
    for query in choose_queries(evaluation, queries):
        figures = []
        for sample, verdict in _row(evaluation, query, found):
            encoded = io.BytesIO()
            thumbnail(sample.path, 160).quantize(16).save(encoded, "PNG", optimize=True)
            name = html.escape(Path(sample.path).name)
            colour = "#%02x%02x%02x" % FRAMES[verdict]
            source = base64.b64encode(encoded.getvalue()).decode()
            figures.append(
                f'<figure><img style="border-color:{colour}" alt="{verdict}: {name}" src="data:image/png;base64,{source}">'
                f"<figcaption>{name}</figcaption></figure>"
            )
        title = html.escape(_heading(evaluation, query))
        rows.append(f"<section>{f'<h2>{title}</h2>' if title else ''}<div>{''.join(figures)}</div></section>")
    summary = "  ".join(f"{name} {value:.4f}" for name, value in evaluation.summary.items() if isinstance(value, float))
    heading = html.escape(f"{evaluation.name} on {evaluation.splits.name}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{heading}</title><style>'
        "body{font:14px system-ui,sans-serif;margin:24px;color:#222}h2{font-size:14px;margin:18px 0 6px}"
        "div{display:flex;gap:10px;overflow-x:auto}figure{margin:0;width:118px;flex:none}figure:first-child{margin-right:16px}"
        "img{width:112px;border:3px solid}figcaption{font-size:10px;color:#666;overflow-wrap:anywhere}</style>"
        f"<h1>{heading}</h1><p>{html.escape(summary)}</p>"
        f"<p>{KEY} Queries go from the best to the worst.</p>" + "".join(rows) + "</html>\n"
    )
