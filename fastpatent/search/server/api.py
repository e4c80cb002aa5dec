"""What programs ask the server for: searches, patents, facets, uploads, pictures, its health and its counts."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import FormData, UploadFile

from fastpatent.errors import DataError
from fastpatent.search.facets import facets
from fastpatent.search.figures import figure_values
from fastpatent.search.filters import apply_filter
from fastpatent.search.index import Index
from fastpatent.search.query import K, Result
from fastpatent.search.record import patent_facts, record
from fastpatent.search.server.metrics import CONTENT_TYPE
from fastpatent.search.server.question import (
    MOST_EXPAND,
    MOST_K,
    MOST_NAME,
    MOST_REPEATED,
    MOST_TEXT,
    MOST_WHERE,
    Asked,
    Question,
)
from fastpatent.search.server.uploads import Decoded, Unreadable

LARGE = 1600  # pixels of the longer side of a drawing that is shown large
MOST_VALUES = 1000  # of a facet
FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
MULTIPART = "multipart/form-data"


class Upload(BaseModel):
    """A drawing that queries name `upload:ID`, as it is compared; `note` says what of its file is not in it."""

    id: str
    width: int
    height: int
    url: str
    pages: int
    note: str


class Picture(BaseModel):
    """A drawing of the index, which queries name `drawing:ID`; `thumbnail` and `image` are addresses.

    `figure` is [] for all of the file, else left, top, width and height of a figure on its sheet, its quarter turns, and
    the boxes of captions.
    """

    model_config = ConfigDict(extra="allow")
    id: str
    thumbnail: str
    image: str
    path: str
    figure: list[int]


class Drawing(Picture):
    """One of them, with its size in pixels, upright, in which crops are given."""

    patent: str
    width: int
    height: int


class Patent(BaseModel):
    """What is known of a patent, "" or [] where it is not, and its drawings."""

    patent: str
    title: str
    locarno: str
    classes: list[str]
    date: str
    drawings: list[Picture]


class Answer(Patent):
    """A patent that was found."""

    rank: int
    score: float
    cosine: float
    percentile: float | None
    url: str


class Search(BaseModel):
    """The record of a search: index, query, and the patents that were found, the best first."""

    model_config = ConfigDict(extra="allow")
    date: str
    compared: int
    verdict: str
    answers: list[Answer]


class Value(BaseModel):
    """A value of a facet, and how many patents have it."""

    value: str
    patents: int


class Facets(BaseModel):
    """Values of the drawings that pass a filter, the most frequent first."""

    drawings: int
    patents: int
    values: dict[str, list[Value]]


class Health(BaseModel):
    """The server answers; `network` is "loading" or "ready"."""

    status: str
    network: str


class PNG(Response):
    """A picture."""

    media_type = "image/png"


class Text(Response):
    """Counts for Prometheus."""

    media_type = "text/plain"


ASKED = r"^(upload:[0-9a-f]{32}|drawing:[0-9a-f]{32}(-[1-9][0-9]{0,2})?)(;crop=([0-9]{1,6},){3}[0-9]{1,6})?(;mirror)?$"
DRAWINGS = {
    "type": "array",
    "maxItems": MOST_REPEATED,
    "items": {
        "anyOf": [
            {"type": "string", "pattern": ASKED},
            {"type": "string", "pattern": "^patent:.+$", "maxLength": MOST_NAME},
        ]
    },
}
FRACTION = {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.000001, "default": 0.5}
FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "drawing": (
        DRAWINGS,
        "upload:ID, drawing:ID or patent:NAME, and perhaps ;crop=X,Y,W,H ;mirror; again for more views",
    ),
    "minus": (DRAWINGS, "less like this, as drawing"),
    "text": (
        {"type": "array", "maxItems": MOST_REPEATED, "items": {"type": "string", "maxLength": MOST_TEXT}},
        "like this, in words",
    ),
    "where": ({"type": "string", "maxLength": MOST_WHERE}, "filter: locarno=09-01 and date>=2018"),
    "k": ({"type": "integer", "minimum": 1, "maximum": MOST_K, "default": K}, "how many patents"),
    "expand": ({"type": "integer", "minimum": 0, "maximum": MOST_EXPAND, "default": 0}, "average with the nearest drawings"),
    "own": ({"type": "integer", "enum": [0, 1], "default": 0}, "1: patents of the query are answers too"),
    "exclude": (
        {"type": "array", "maxItems": MOST_REPEATED, "items": {"type": "string", "maxLength": MOST_NAME}},
        "names of patents that are no answers",
    ),
    "weight": (FRACTION, "share of the text beside drawings"),
    "minus_weight": (FRACTION | {"maximum": 100}, "of minus"),
}
PARAMETERS = [
    {"name": name, "in": "query", "schema": schema, "description": what} for name, (schema, what) in FIELDS.items()
]
FILE = {"type": "string", "format": "binary"}
UPLOAD_BODY = {
    "required": True,
    "content": {
        "application/octet-stream": {"schema": FILE},
        MULTIPART: {"schema": {"type": "object", "required": ["drawing"], "properties": {"drawing": FILE}}},
    },
}
SEARCH_BODY = {
    "required": True,
    "content": {
        MULTIPART: {
            "schema": {
                "type": "object",
                "properties": {name: schema | {"description": what} for name, (schema, what) in FIELDS.items()}
                | {"drawing": {"type": "array", "maxItems": MOST_REPEATED, "items": FILE}},
            }
        }
    },
}
ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
REFUSED = {"description": "Why the request is refused, in a sentence", "content": {"application/json": {"schema": ERROR}}}
ERRORS: dict[int | str, dict[str, Any]] = {422: REFUSED, "default": REFUSED}
router = APIRouter(responses=ERRORS)


@router.post("/api/uploads", status_code=201, responses={201: {"model": Upload}}, openapi_extra={"requestBody": UPLOAD_BODY})
async def add_upload(request: Request, edges: Literal["0", "1"] = "0") -> Response:
    """Take a drawing, as the body or as the field `drawing` of a form; of a photograph, `edges=1` makes a drawing first."""
    if request.headers.get("content-type", "").startswith(MULTIPART):
        async with request.form(max_files=1, max_fields=10) as form:
            file = form.get("drawing")
            if not isinstance(file, UploadFile):
                raise DataError("the form has no file in the field drawing")
            data, name = await file.read(), file.filename or ""
    else:
        data, name = await request.body(), ""
    return answer_json(await upload(request, data, name, edges == "1"), 201)


async def upload(request: Request, data: bytes, name: str, edges: bool = False) -> dict[str, Any]:
    """Decode and store a drawing; return what is said of it: `id`, `width`, `height`, `url`, `pages`, `note`.

    Arguments and errors as of `Decoder.upload`.
    """
    state = request.app.state
    decoded = await state.decoder.upload(data, name, edges)
    size = decoded.width, decoded.height
    identity = await asyncio.to_thread(state.workspace.add_upload, decoded.png, *size, name)
    note = f"the file has {decoded.pages} pages; this is the first" if decoded.pages > 1 else ""
    return {
        "id": identity,
        "width": decoded.width,
        "height": decoded.height,
        "url": upload_url(identity),
        "pages": decoded.pages,
        "note": note,
    }


@router.get("/uploads/{identity}.png", response_class=PNG)
async def show_upload(request: Request, identity: str) -> Response:
    """Return an upload as it is compared."""
    png = await asyncio.to_thread(request.app.state.workspace.upload, identity)
    if png is None:
        raise HTTPException(404, "there is no such upload")
    return PNG(png, headers=FOREVER)


@router.get("/api/search", responses={200: {"model": Search}}, openapi_extra={"parameters": PARAMETERS})
async def search(request: Request) -> Response:
    """Return the record of a search."""
    return await _answered(request, Question.of(request.query_params.multi_items(), others=()))


@router.post("/api/search", responses={200: {"model": Search}}, openapi_extra={"requestBody": SEARCH_BODY})
async def search_files(request: Request) -> Response:
    """Return the record of a search whose drawings may be files."""
    async with request.form(max_files=MOST_REPEATED, max_fields=100) as form:
        question = Question.of(await _stored(request, form), others=())
    return await _answered(request, question)


async def _answered(request: Request, question: Question) -> Response:
    found = await request.app.state.searcher.search(question)
    return answer_json(await asyncio.to_thread(answer_of, *found))


async def _stored(request: Request, form: FormData) -> Sequence[tuple[str, str]]:
    """Return the fields of a form with its files as uploads."""
    fields = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            found = await upload(request, await value.read(), value.filename or "")
            value = str(Asked("upload", found["id"]))
        fields.append((name, value))
    return fields


@router.get("/api/patents/{name:path}", responses={200: {"model": Patent}})
async def patent(request: Request, name: str) -> Response:
    """Return what is known of a patent, and its drawings."""
    index: Index = request.app.state.searcher.index
    rows = index.rows_of(name).tolist()
    if not rows:
        raise HTTPException(404, "the index has no patent of this name")
    drawings = [{"view": index.drawings["view"][row].as_py(), **_described(index, row)} for row in rows]
    return answer_json({"patent": name, **patent_facts(index, rows[0]), "drawings": drawings})


@router.get("/api/drawings/{identity}", responses={200: {"model": Drawing}})
async def describe_drawing(request: Request, identity: str) -> Response:
    """Return what is known of a drawing of the index."""
    index: Index = request.app.state.searcher.index
    row = row_of(index, identity)
    decoded = await decoded_drawing(request, index, row)
    known = {"patent": index.patents[index.patent_of[row]], **_described(index, row)}
    return answer_json({**known, "width": decoded.width, "height": decoded.height})


@router.get("/api/facets", responses={200: {"model": Facets}})
async def count_facets(request: Request, where: Annotated[str, Query(max_length=MOST_WHERE)] = "") -> Response:
    """Return of how many patents the drawings that pass a filter are, for each class, Locarno class and year."""
    index: Index = request.app.state.searcher.index
    return answer_json(await asyncio.to_thread(_facets, index, where))


def _facets(index: Index, where: str) -> dict[str, Any]:
    passed = apply_filter(index, where).passed
    rows = np.arange(len(index)) if passed is None else np.flatnonzero(passed)
    values = {
        name: [{"value": value, "patents": count} for value, count in counts[:MOST_VALUES]]
        for name, counts in facets(index, passed).items()
    }
    return {"drawings": len(rows), "patents": len(np.unique(index.patent_of[rows])), "values": values}


@router.get("/thumbnails/{identity}.png", response_class=PNG)
def thumbnail(request: Request, identity: str) -> Response:
    """Return a drawing of the index, small."""
    index: Index = request.app.state.searcher.index
    return PNG(index.thumbnail(row_of(index, identity)), headers=FOREVER)


@router.get("/drawings/{identity}.png", response_class=PNG)
async def drawing(request: Request, identity: str) -> Response:
    """Return a drawing of the index, large; its thumbnail where its file is gone."""
    index: Index = request.app.state.searcher.index
    row = row_of(index, identity)
    try:
        decoded = await decoded_drawing(request, index, row)
        return PNG(decoded.png, headers=FOREVER)
    except Unreadable:
        return PNG(index.thumbnail(row))


def row_of(index: Index, identity: str) -> int:
    """Return the row of a drawing, by its `Index.name`; HTTPException 404 where there is none."""
    if (row := index.row_of(identity)) is None:
        raise HTTPException(404, "the index has no such drawing")
    return row


@router.get("/healthz", responses={200: {"model": Health}})
async def health(request: Request) -> Response:
    """Say whether queries can be answered; why not only where all may read it, since a reason has names of files."""
    searcher = request.app.state.searcher
    if reason := searcher.fault or searcher.network_fault:
        reason = "the log of the server says what is wrong" if request.app.state.settings.token else reason
        return answer_json({"error": reason}, 503)
    return answer_json({"status": "ok", "network": searcher.network})


@router.get("/metrics", response_class=Text)
def metrics(request: Request) -> Response:
    """Return the counts of the server."""
    return Response(request.app.state.metrics.text(), headers={"content-type": CONTENT_TYPE})


def answer_of(index: Index, result: Result) -> dict[str, Any]:
    """Return the `record` of a search, with the `links` of each drawing."""
    found = record(index, result)
    for answer in found["answers"]:
        answer["url"] = f"/api/patents/{quote(answer['patent'])}"
        for each in answer["drawings"]:
            each |= links(index, each["row"])
    return found


def links(index: Index, row: int) -> dict[str, str]:
    """Return what a drawing is called, `id`, and the addresses of its pictures, `thumbnail` and `image`."""
    name = index.name(row)
    return {"id": name, "thumbnail": f"/thumbnails/{name}.png", "image": f"/drawings/{name}.png"}


def upload_url(identity: str) -> str:
    """Return the address of an upload."""
    return f"/uploads/{identity}.png"


def _described(index: Index, row: int) -> dict[str, Any]:
    return {"path": index.path(row), "figure": figure_values(index.figure(row)), **links(index, row)}


async def decoded_drawing(request: Request, index: Index, row: int) -> Decoded:
    """Return a drawing of the index, large; Unreadable where its file is gone."""
    return await request.app.state.decoder.file(index.path(row), LARGE, index.figure(row))


def answer_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return JSON in ASCII: names of files that are not UTF-8 are read back."""
    return Response(json.dumps(value), status, headers, "application/json")
