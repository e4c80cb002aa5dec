"""Ranked galleries: each query with its top results, and a relevant drawing that was missed if all results are wrong."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fastpatent.data.records import Sample
from fastpatent.data.splitting import hashed_order
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.files import check_output, head, write_atomically
from fastpatent.report.page import is_page, render
from fastpatent.report.picture import is_our_png, picture_url, thumbnail, write_png
from fastpatent.report.tables import interval_text
from fastpatent.text import one_line, short_line

FRAMES = {  # as in style.css: right and wrong have a contrast of luminance of 2.9, and each has its mark
    "query": (90, 90, 90),
    "right": (0, 77, 58),
    "wrong": (207, 117, 0),
    "unknown": (138, 138, 138),
    "missed": (0, 114, 178),
}
# x and y of the marks in a square of side 1: fonts have none
MARKS = {
    "right": [[(0, 0.55), (0.35, 0.9), (1, 0.1)]],
    "wrong": [[(0.1, 0.1), (0.9, 0.9)], [(0.1, 0.9), (0.9, 0.1)]],
    "missed": [[(0.5, 0), (0.5, 0.65)], [(0.5, 0.85), (0.5, 1)]],
}
LEGEND = {"query": "query", "right": "correct", "wrong": "wrong", "missed": "missed"}
TEXT = (60, 60, 60)
SHOWN = 200  # characters of a caption or a name: two lines of a page, one of a picture
PIXELS = 256  # of a drawing in a page, where it can be enlarged
KEY = (
    "The query is at the left. Correct results have a check mark and a green frame, wrong ones a cross and an orange "
    "frame. If no result is correct, one of the relevant drawings follows in blue."
)
FORMER_KEY = b"Correct results have a green frame, wrong ones an orange frame."  # of older pages


class Answer(NamedTuple):
    """A drawing of a gallery's row: "query", "right", "wrong", "unknown" (no labels) or "missed", and its score, if any."""

    sample: Sample
    verdict: str
    score: float | None


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
    lines = [answers_of(evaluation, query, found) for query in queries]
    headings = [_heading(evaluation, query) for query in queries]
    verdicts = _legend(lines)
    gap, frame, caption, heading = 12, 3, 20, 22 if any(headings) else 0
    cell = size + 2 * frame + gap
    width = cell * (min(found, evaluation.ranking.shape[1]) + 1) + 2 * gap + ("missed" in verdicts) * (cell + gap)
    legend = 90  # pixels of an entry
    height = (cell + heading + caption) * len(lines) + gap
    whole = max(width, gap + legend * len(verdicts)), height + (caption + gap) * bool(verdicts)
    picture = Image.new("RGB", whole, "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    small = ImageFont.load_default(13)
    for number, (title, line) in enumerate(zip(headings, lines)):
        top = gap + number * (cell + heading + caption)
        draw.text((gap, top), title, TEXT, font)
        for column, (sample, verdict, score) in enumerate(line):
            left = gap + column * cell + {"query": 0, "missed": 2 * gap}.get(verdict, gap)
            right, bottom = left + size + 2 * frame - 1, top + heading + size + 2 * frame - 1
            draw.rectangle((left, top + heading, right, bottom), FRAMES[verdict], width=frame)
            picture.paste(thumbnail(sample.path, size), (left + frame, top + heading + frame))
            words = LEGEND[verdict] if verdict in ("query", "missed") else _score(score)
            _draw_caption(draw, (left, bottom + 3), verdict, words, small)
    for column, verdict in enumerate(verdicts):
        left = gap + column * legend
        draw.rectangle((left, height - 4, left + legend - gap, height + caption), outline=FRAMES[verdict], width=frame)
        _draw_caption(draw, (left + 2 * frame, height), verdict, LEGEND[verdict], small)
    return np.asarray(picture)


def _draw_caption(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    verdict: str,
    words: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """Draw the mark of a verdict and words beside it, below and right of a corner."""
    left, top = corner
    side = 10
    for line in MARKS.get(verdict, ()):
        draw.line([(left + side * x, top + 3 + side * y) for x, y in line], TEXT, width=2)
    draw.text((left + (side + 5) * (verdict in MARKS), top), words, TEXT, font)


def check_gallery(path: str | Path) -> None:
    """Raise DataError where `path`.png or `path`.html is there and `write_gallery` has not written it."""
    picture, page = _files(path)
    check_output(page, "the gallery", _is_our_page)
    check_output(picture, "the gallery", lambda found: is_our_png(found) or _is_our_page(page))


def _files(path: str | Path) -> tuple[Path, Path]:
    path = Path(path)
    return path.with_name(path.name + ".png"), path.with_name(path.name + ".html")


def _is_our_page(page: Path) -> bool:
    return is_page(page, "gallery.html") or FORMER_KEY in head(page)


def write_gallery(evaluation: Evaluation, path: str | Path, queries: int = 24, found: int = 10) -> list[Path]:
    """Write `path`.png and `path`.html, a self-contained page.

    Returns:
        the two paths.
    """
    picture, page = _files(path)
    write_png(picture, gallery_picture(evaluation))
    write_atomically(page, lambda temporary: temporary.write_text(_page(evaluation, queries, found), encoding="utf-8"))
    return [picture, page]


def answers_of(evaluation: Evaluation, query: int, found: int) -> list[Answer]:
    """List one query, its top results, and a missed relevant drawing if none of them is correct."""
    splits = evaluation.splits
    asked = splits.query[query]
    answers = [Answer(asked, "query", None)] if asked.path else []  # a text-only query has no drawing
    for place, index in enumerate(evaluation.ranking[query, :found]):
        sample = splits.gallery[index]
        known = asked.identity is not None and sample.identity is not None
        verdict = ("right" if sample.identity == asked.identity else "wrong") if known else "unknown"
        answers.append(
            Answer(sample, verdict, None if evaluation.scores is None else float(evaluation.scores[query, place]))
        )
    if asked.identity is not None and not any(answer.verdict == "right" for answer in answers):
        missed = (sample for sample in splits.gallery if sample.identity == asked.identity)
        answers += [Answer(sample, "missed", None) for sample in islice(missed, 1)]
    return answers


def _legend(rows: Iterable[Sequence[Answer]]) -> list[str]:
    """List the verdicts of some rows that need an explanation, in the order of LEGEND."""
    seen = {answer.verdict for row in rows for answer in row}
    return [verdict for verdict in LEGEND if verdict in seen]


def page_items(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Return answers as the macro `answers` of parts.html takes them."""
    return [
        {
            "url": picture_url(sample.path, PIXELS),
            "name": short_line(Path(sample.path).name, SHOWN),
            "score": _score(score),
            "verdict": verdict,
        }
        for sample, verdict, score in answers
    ]


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.3f}"


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
    facts = [
        f"{name} {value:.4f}" + (f" [{interval_text(evaluation.intervals[name])}]" if name in evaluation.intervals else "")
        for name, value in evaluation.summary.items()
        if isinstance(value, float)
    ]
    shown = [
        (_heading(evaluation, query), answers_of(evaluation, query, found)) for query in choose_queries(evaluation, queries)
    ]
    return render(
        "gallery.html",
        f"{evaluation.name} on {evaluation.splits.name}",
        facts=facts,
        warnings=evaluation.warnings,
        key=KEY,
        order="Queries are sorted from best to worst AP."
        if evaluation.metrics
        else "Queries are in the order of their list.",
        verdicts=_legend(answers for _, answers in shown),
        queries=[(heading, page_items(answers)) for heading, answers in shown],
    )
