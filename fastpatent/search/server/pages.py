"""The search page: a question in its address, the form that changes it, and the patents that were found."""

import asyncio
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from markupsafe import Markup
from PIL import Image
from starlette.datastructures import UploadFile

from fastpatent.errors import DataError, shown
from fastpatent.report.page import TEMPLATES
from fastpatent.report.picture import data_url
from fastpatent.search.facets import FACETS, facets
from fastpatent.search.filters import FIELDS, apply_filter
from fastpatent.search.index import Index
from fastpatent.search.milvus import Unreachable
from fastpatent.search.query import K, Result, percent
from fastpatent.search.record import record
from fastpatent.search.server.api import links, upload, upload_url
from fastpatent.search.server.batching import Busy
from fastpatent.search.server.facet_filter import join_filter, split_filter
from fastpatent.search.server.question import DRAWING, MOST_EXPAND, MOST_K, MOST_REPEATED, PATENT, UPLOAD, Asked, Question
from fastpatent.search.server.rendering import page
from fastpatent.search.server.searcher import Unavailable
from fastpatent.text import short_line

FIRST_DRAWINGS = 8  # of a patent, that are seen at once
MOST_DRAWINGS = 200  # of a patent
MOST_VALUES = 100  # of a facet
TITLES = dict(zip(FACETS, ("Class", "Locarno class", "Year")))
CHANGE = re.compile(r"(crop|mirror|swap|remove) (drawing|minus|exclude) (\d{1,3})(?: (\d+),(\d+),(\d+),(\d+))?", re.ASCII)
SIDES = {"drawing": "views", "minus": "minus"}
router = APIRouter(include_in_schema=False)


@router.get("/")
async def search_page(request: Request) -> HTMLResponse:
    """Answer the question in the address, or show what can be asked."""
    try:
        question = Question.of(request.query_params.multi_items())
    except DataError as error:
        return await _answer(request, Question(), str(error))
    return await _answer(request, question)


@router.get("/ask")
async def ask(request: Request) -> Response:
    """Lead from the form, with the change of the button that was pressed, to the address of the question."""
    fields = request.query_params.multi_items()
    try:
        chosen = {facet: [value for name, value in fields if name == facet] for facet in FACETS}
        question = Question.of(fields)
        question = replace(question, where=join_filter(chosen, question.where))
        for name, text in fields:
            question = _changed(question, text) if name == "change" else question
    except DataError as error:
        return await _answer(request, Question(), str(error))
    return RedirectResponse(question.address(), 303)


@router.post("/uploads")
async def add_drawings(request: Request) -> Response:
    """Add the files of the form to the question; a browser without scripts sends it."""
    async with request.form(max_files=MOST_REPEATED, max_fields=10) as form:
        question = Question.of_address(str(form.get("address", "")))
        for file in form.getlist("drawing"):
            if isinstance(file, UploadFile) and file.filename:
                found = await upload(request, await file.read(), file.filename, form.get("edges") == "1")
                question = replace(question, views=(*question.views, Asked(UPLOAD, found["id"])))
    return RedirectResponse(question.address(), 303)


@router.get("/static/style.css")
def style() -> Response:
    """Return the style that all pages of the package share."""
    return FileResponse(TEMPLATES / "style.css")


@router.get("/loading")
async def loading(request: Request) -> Response:
    """Return 204, with which nothing is changed, while the network loads, then nothing in its place."""
    return Response(status_code=204 if request.app.state.searcher.network == "loading" else 200, media_type="text/html")


def error_page(request: Request, status: int, sentence: str) -> HTMLResponse:
    """Return a page that says what is wrong."""
    return page(request, "error.html", status, error=_sentence(sentence))


async def _answer(request: Request, question: Question, error: str = "") -> HTMLResponse:
    searcher, status, result = request.app.state.searcher, 400 if error else 200, None
    index = searcher.index
    try:
        if not error and (question.views or question.texts or question.minus):
            index, result = await searcher.search(question)
    except (DataError, Unavailable, Busy) as failure:
        error, status = str(failure), 503 if isinstance(failure, Unreachable | Unavailable | Busy) else 400
    return await asyncio.to_thread(_page, request, index, question, result, error, status)


def _page(
    request: Request, index: Index, question: Question, result: Result | None, error: str, status: int
) -> HTMLResponse:
    state = request.app.state
    compared = _compared(result) if result else iter(())
    views, minus = (
        [_view(state.workspace, index, asked, compared) for asked in side] for side in (question.views, question.minus)
    )
    chosen, rest = split_filter(question.where)
    values = {
        "question": question,
        "heading": "",
        "views": views,
        "minus": minus,
        "reads_texts": index.manifest["network"]["texts"],
        "facets": _facets(index, chosen, rest),
        "rest": rest,
        "fields": FIELDS,
        "megabytes": state.settings.upload_mb,
        "most_k": MOST_K,
        "most_expand": MOST_EXPAND,
        "is_unusual": (question.k, question.expand, question.own) != (K, 0, False),
        "is_loading": state.searcher.network == "loading",
        "error": _sentence(error),
        "announcement": "",
        "result": result,
        "shortlists": state.workspace.shortlists(),
        "address": question.address(),
    }
    if result:
        names = [view["name"] for view in views] or question.texts
        values |= _found(index, question, result, names[0]) | {"record": question.address("/record")}
    return page(request, "search.html", status, **values)


def _found(index: Index, question: Question, result: Result, name: str) -> dict[str, Any]:
    """Return what the page shows of a result of a question, which has a name."""
    count = len(result.answers)
    found = f"{count:,} patents" if count != 1 else "1 patent"
    verdict = _sentence(result.verdict)
    without = (
        f"without {', '.join(result.excluded[:3])}{' and others' * (len(result.excluded) > 3)}" if result.excluded else ""
    )
    more = min(result.k + K, MOST_K)
    return {
        "heading": f"{found}: {name}",
        "found": found,
        "facts": [f"of {result.compared:,} drawings that were compared", *filter(None, [without])],
        "verdict": verdict,
        "announcement": f"{found} found. {verdict}",
        "patents": [_patent(index, question, answer) for answer in record(index, result)["answers"]],
        "more": replace(question, k=more).address() if count == result.k < more else "",
    }


def _patent(index: Index, question: Question, answer: dict[str, Any]) -> dict[str, Any]:
    """Return what the page shows of an answer, as it is in the record."""
    name, percentile, asked = answer["patent"], answer["percentile"], Asked(PATENT, answer["patent"])
    closeness = [f"Closer than {percent(percentile)} of random pairs"] if percentile is not None else []
    closeness += [f"cosine {answer['cosine']:.3f}"]
    if abs(answer["score"] - answer["cosine"]) > 1e-6:
        closeness += [f"score {answer['score']:.3f}"]
    drawings = [_drawing(index, question, drawing) for drawing in answer["drawings"][:MOST_DRAWINGS]]
    facts = [name if answer["title"] else "", "; ".join(answer["classes"]), answer["locarno"], answer["date"]]
    hidden = len(answer["drawings"]) - len(drawings)
    return {
        "rank": answer["rank"],
        "name": name,
        "title": answer["title"],
        "facts": [*filter(None, facts), *([f"{hidden:,} more drawings are not shown"] if hidden else [])],
        "closeness": ", ".join(closeness),
        "drawings": drawings[:FIRST_DRAWINGS],
        "others": drawings[FIRST_DRAWINGS:],
        "search": _alone(question, asked).address(),
        "minus": replace(question, minus=(*question.minus, asked)).address(),
        "exclude": replace(question, exclude=(*question.exclude, name)).address(),
    }


def _drawing(index: Index, question: Question, drawing: dict[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a drawing of an answer."""
    found = links(index, drawing["row"])
    asked = Asked(DRAWING, found["id"])
    return {
        "name": short_line(os.path.basename(index.label(drawing["row"]))),
        "url": found["thumbnail"],
        "cosine": f"{drawing['cosine']:.3f}",
        "compare": question.address("/compare", **{"with": found["id"]}),
        "search": _alone(question, asked).address(),
        "add": replace(question, views=(*question.views, asked)).address(),
        "minus": replace(question, minus=(*question.minus, asked)).address(),
    }


def _alone(question: Question, asked: Asked) -> Question:
    """Return the question for one drawing or patent, with the filter and the options as they are."""
    return replace(question, views=(asked,), minus=(), texts=(), k=K)


def _compared(result: Result) -> Iterator[list[bytes]]:
    """Yield the pictures that were compared of each drawing of the query, the figures of a sheet together."""
    views = (*result.query.views, *result.query.minus)  # those of one sheet are of one image
    sheets = (id(view.drawing if isinstance(view.drawing, Image.Image) else view) for view in views)
    for _, figures in groupby(zip(sheets, result.asked.pictures), key=itemgetter(0)):
        yield [picture for _, picture in figures]


def _view(workspace: Any, index: Index, asked: Asked, compared: Iterator[list[bytes]]) -> dict[str, Any]:
    """Return what the page shows of a drawing of the question; `compared` as of `_compared`, where it was compared."""
    name, note, rows, whole, size = asked.name, "", [], upload_url(asked.name), ""
    if asked.kind == PATENT:
        rows = index.rows_of(asked.name).tolist()
        note, whole = f"{len(rows):,} drawings", ""
    elif asked.kind == DRAWING:
        row = index.row_of(asked.name)
        rows, whole = [] if row is None else [row], f"/drawings/{asked.name}.png"
        name = os.path.basename(index.label(row)) if row is not None else name
    elif png := workspace.upload(asked.name):
        name = workspace.upload_name(asked.name) or "drawing"
        size = ",".join(map(str, Image.open(io.BytesIO(png)).size))
    pictures = [picture for _, figures in zip(rows or [None], compared) for picture in figures]
    if asked.kind == UPLOAD and len(pictures) > 1:
        note = f"a sheet of {len(pictures)} figures, each a view"
    return {
        "name": short_line(name),
        "note": note,
        "value": str(asked),
        "url": data_url(pictures[0], "image/png") if pictures else _url(index, asked, rows),
        "whole": whole,
        "size": size,
        "crop": ",".join(map(str, asked.crop or ())),
        "mirror": asked.mirror,
    }


def _url(index: Index, asked: Asked, rows: Sequence[int]) -> str | Markup:
    if asked.kind == UPLOAD:
        return upload_url(asked.name)
    return data_url(index.thumbnail(rows[0]), "image/png") if rows else Markup("data:,")


def _facets(index: Index, chosen: dict[str, list[str]], rest: str) -> list[tuple[str, str, list[tuple[str, str, bool]]]]:
    """Return (facet, title, [(value, patents, whether it is ticked)]) of those of which the index knows values.

    Of each facet those are counted that pass the filter but for this facet, so that a second value can be ticked.
    """
    counts: dict[str, dict[str, list[tuple[str, int]]]] = {}
    found = []
    for facet in FACETS:
        where = join_filter({other: values for other, values in chosen.items() if other != facet}, rest)
        if where not in counts:
            try:
                counts[where] = facets(index, apply_filter(index, where).passed)
            except DataError:  # the answer says what is wrong with the filter
                counts[where] = facets(index)
        known, ticked = dict(counts[where][facet][:MOST_VALUES]), chosen.get(facet, [])
        values = {**{value: 0 for value in ticked if value not in known}, **known}
        names = sorted(values, reverse=True) if facet == "year" else list(values)
        if names:
            found.append((facet, TITLES[facet], [(name, f"{values[name]:,}", name in ticked) for name in names]))
    return found


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _changed(question: Question, change: str) -> Question:
    """Return the question after the change of a button: `crop drawing 0 1,2,3,4`, `remove minus 1`."""
    found = CHANGE.fullmatch(change)
    if not found:
        raise DataError(f"there is no change {shown(change)}")
    what, side, place, *crop = found.groups()
    field = SIDES.get(side, side)
    drawings = list(getattr(question, field))
    if int(place) >= len(drawings) or (side == "exclude" and what != "remove"):
        raise DataError(f"there is nothing for the change {shown(change)}")
    asked = drawings.pop(int(place))
    if what in ("crop", "mirror"):
        values = {"crop": tuple(map(int, crop)) if crop[0] else None} if what == "crop" else {"mirror": not asked.mirror}
        drawings.insert(int(place), asked._replace(**values))
    question = replace(question, **{field: tuple(drawings)})
    if what == "swap":
        other = "minus" if side == "drawing" else "views"
        question = replace(question, **{other: (*getattr(question, other), asked)})
    return question
