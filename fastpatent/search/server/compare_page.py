"""A drawing of the query and one that was found, side by side, with the regions that the network finds most alike."""

import asyncio
import io
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from PIL import Image, ImageOps

from fastpatent.data.image import black_on_white, inverts
from fastpatent.errors import DataError
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.report.picture import data_url, small_png
from fastpatent.search.figures import Figure, cut_out
from fastpatent.search.index import Index
from fastpatent.search.query import Result, View
from fastpatent.search.record import facts_line, patent_facts
from fastpatent.search.regions import Box, Pair, matching_regions
from fastpatent.search.server.api import decoded_drawing, links, row_of, upload_url
from fastpatent.search.server.question import DRAWING, Asked, Question
from fastpatent.search.server.record_pages import searched
from fastpatent.search.server.rendering import page
from fastpatent.search.server.searcher import unreported
from fastpatent.search.server.uploads import Unreadable

PANEL, GAP = 600, 90  # units of the picture
MOST_DRAWINGS = 24  # thumbnails of a patent
router = APIRouter(include_in_schema=False)


class Drawing(NamedTuple):
    """A drawing as it is compared.

    Attributes:
        url: of all of it.
        size: pixels of all of it.
        crop: left, top, width and height in these pixels.
        mirror: whether left and right are exchanged, after the crop.
        png: all of it, perhaps smaller.
    """

    url: str
    size: tuple[int, int]
    crop: tuple[int, int, int, int]
    mirror: bool
    png: bytes

    def image(self, pipeline: Pipeline) -> Image.Image:
        """Return what is compared, mode L, black on white where the network wants it."""
        whole = Image.open(io.BytesIO(self.png), formats=("PNG",)).convert("L")
        if inverts(pipeline.cfg):
            whole = black_on_white(whole)
        scale = np.array(whole.size * 2) / (self.size * 2)
        left, top, width, height = np.array(self.crop) * scale
        part = whole.crop((round(left), round(top), max(round(left + width), 1), max(round(top + height), 1)))
        return ImageOps.mirror(part) if self.mirror else part


@router.get("/compare")
async def compare(request: Request) -> HTMLResponse:
    """Show the drawing `with` beside a view of the question: the number `view`, else the nearest one."""
    params = request.query_params
    question = Question.of(params.multi_items())
    index, result = await searched(request, question)
    row = row_of(index, params.get("with", ""))
    cosines = (index.cosines(result.asked.views, np.array([row]))[:, 0]).tolist() if result.query.views else []
    view = _view_number(params.get("view", ""), cosines)
    shown = [await _of_index(request, index, View(row))]
    if cosines:
        shown.insert(0, await _of_query(request, index, result.query.views[view]))
    pairs, with_regions = [], len(shown) == 2 and params.get("regions") == "1"
    if with_regions:
        async with request.app.state.comparing:
            pairs = await asyncio.to_thread(_pairs, request.app.state.searcher.networks, *shown)
    values = {
        "with_regions": with_regions,
        "has_two": len(shown) == 2,
        "pictures": [_picture(shown, pairs, is_tall) for is_tall in (False, True)],
        "pairs": [(_place(pair.first), _place(pair.second), f"{pair.cosine:.3f}") for pair in pairs],
        "cosine": f"{cosines[view]:.3f}" if cosines else "",
    }
    values |= _texts(index, question, result, row, view)
    return await asyncio.to_thread(page, request, "compare.html", **values)


def _texts(index: Index, question: Question, result: Result, row: int, view: int) -> dict[str, Any]:
    """Return what the page has beside the picture."""
    patent, facts = index.patents[index.patent_of[row]], patent_facts(index, row)

    def address(row: int, **more: Any) -> str:
        return question.address("/compare", **{"with": index.name(row)}, **more)

    names, rows = [answer.patent for answer in result.answers], index.rows_of(patent).tolist()
    rank = names.index(patent) if patent in names else None
    around = {"previous": "", "next": ""}
    for name, other in (("previous", -1), ("next", 1)):
        if rank is not None and 0 <= rank + other < len(names):
            around[name] = address(result.answers[rank + other].rows[0])
    pictures = result.asked.pictures[: len(result.query.views)]
    views = [
        (data_url(picture, "image/png"), number == view, address(row, view=number))
        for number, picture in enumerate(pictures)
    ]
    return {
        "rank": "" if rank is None else f"{rank + 1:,} of {len(names):,}",
        "patent": patent,
        "title": facts["title"] or patent,
        "line": facts_line(facts | {"title": ""}),
        "name": os.path.basename(index.label(row)),
        "query_name": os.path.basename(result.asked.names[view]) if result.query.views else "",
        "views": views if len(views) > 1 else [],
        "drawings": [(links(index, other)["thumbnail"], other == row, address(other)) for other in rows[:MOST_DRAWINGS]],
        "here_with_regions": address(row, view=view, regions=1),
        "search": Question((Asked(DRAWING, index.name(row)),)).address(),
        "address": question.address(),
        "record": question.address("/record"),
        **around,
    }


def _view_number(text: str, cosines: Sequence[float]) -> int:
    if not text:
        return int(np.argmax(cosines)) if cosines else 0
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and int(text) < len(cosines)):
        raise DataError(f"view: is no number of 0 to {max(len(cosines) - 1, 0)}")
    return int(text)


async def _of_index(request: Request, index: Index, view: View) -> Drawing:
    row, urls = int(view.drawing), links(index, int(view.drawing))  # type: ignore[arg-type]
    try:
        decoded = await decoded_drawing(request, index, row)
        return _drawing(urls["image"], (decoded.width, decoded.height), view, decoded.png)
    except Unreadable:  # its file is gone
        png = index.thumbnail(row)
        return _drawing(urls["thumbnail"], Image.open(io.BytesIO(png)).size, view._replace(crop=None), png)


async def _of_query(request: Request, index: Index, view: View) -> Drawing:
    if isinstance(view.drawing, int):
        return await _of_index(request, index, view)
    identity = view.name.removeprefix("upload ")
    png = await asyncio.to_thread(request.app.state.workspace.upload, identity)
    if png is None:
        raise DataError(f"the upload {identity} is not here any more; upload the drawing again")
    upload = Image.open(io.BytesIO(png), formats=("PNG",))
    if view.crop and (view.turn or view.blanks):  # a figure of a sheet, which an address does not name
        figure = cut_out(upload, Figure(*view.crop, view.turn, view.blanks))
        data = small_png(figure)
        return _drawing(data_url(data, "image/png"), figure.size, view._replace(crop=None), data)
    return _drawing(upload_url(identity), upload.size, view, png)


def _drawing(url: str, size: tuple[int, int], view: View, png: bytes) -> Drawing:
    return Drawing(url, size, view.crop or (0, 0, *size), view.mirror, png)


def _pairs(networks: Any, first: Drawing, second: Drawing) -> list[Pair]:
    pipeline = networks()
    with unreported():
        return matching_regions(pipeline, first.image(pipeline), second.image(pipeline))


def _picture(shown: Sequence[Drawing], pairs: Sequence[Pair], is_tall: bool) -> dict[str, Any]:
    """Return where the drawings, boxes and lines of a picture are: drawings beside each other, or above each other."""
    scales = [PANEL / max(drawing.crop[2:]) for drawing in shown]
    sizes = [(drawing.crop[2] * scale, drawing.crop[3] * scale) for drawing, scale in zip(shown, scales)]
    across = PANEL if is_tall else max(height for _, height in sizes)  # in which they are centred
    panels, start = [], 0.0
    for drawing, (width, height) in zip(shown, sizes):
        x, y = ((across - width) / 2, start) if is_tall else (start, (across - height) / 2)
        panels.append({"x": x, "y": y, "width": width, "height": height, "drawing": drawing})
        start += (height if is_tall else width) + GAP
    boxes = []
    for pair in pairs:
        first, second = (_placed(box, panel) for panel, box in zip(panels, (pair.first, pair.second)))
        line = (first[0] + first[2], first[1] + first[3] / 2, second[0], second[1] + second[3] / 2)
        if is_tall:
            line = (first[0] + first[2] / 2, first[1] + first[3], second[0] + second[2] / 2, second[1])
        boxes.append({"boxes": (first, second), "line": line})
    width, height = (across, start - GAP) if is_tall else (start - GAP, across)
    return {"kind": "tall" if is_tall else "wide", "width": width, "height": height, "panels": panels, "pairs": boxes}


def _placed(box: Box, panel: dict[str, Any]) -> Box:
    width, height = panel["width"], panel["height"]
    return panel["x"] + box[0] * width, panel["y"] + box[1] * height, box[2] * width, box[3] * height


def _place(box: Box) -> str:
    """Return where the middle of a box is, in words."""
    column, row = (min(int(3 * (box[axis] + box[axis + 2] / 2)), 2) for axis in (0, 1))
    words = ("top", "middle", "bottom")[row], ("left", "centre", "right")[column]
    return "centre" if words == ("middle", "centre") else " ".join(words)
