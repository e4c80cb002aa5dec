"""What programs ask the server for: searches, patents, facets, uploads, pictures, its health and its counts."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.datastructures import FormData, UploadFile

from fastpatent.errors import DataError
from fastpatent.search.facets import facets
from fastpatent.search.filters import apply_filter
from fastpatent.search.index import Index
from fastpatent.search.query import Result
from fastpatent.search.record import record
from fastpatent.search.server.metrics import CONTENT_TYPE
from fastpatent.search.server.question import ID, MOST_REPEATED, Asked, Question
from fastpatent.search.server.uploads import Unreadable

LARGE = 1600  # pixels of the longer side of a drawing that is shown large
MOST_VALUES = 1000  # of a facet
FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
MULTIPART = "multipart/form-data"

router = APIRouter()


@router.post("/api/uploads", status_code=201)
async def add_upload(request: Request) -> Response:
    """Take a drawing, as the body or as the field `drawing` of a form, and return how queries name it."""
    given = [value == "1" for name, value in request.query_params.multi_items() if name == "edges"]
    if request.headers.get("content-type", "").startswith(MULTIPART):
        async with request.form(max_files=1, max_fields=10) as form:
            file = form.get("drawing")
            if not isinstance(file, UploadFile):
                raise DataError("the form has no file in the field drawing")
            data, name = await file.read(), file.filename or ""
    else:
        data, name = await request.body(), ""
    found = await upload(request, data, name, edges=any(given))
    return answer_json(found, 201)


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
        "url": f"/uploads/{identity}.png",
        "pages": decoded.pages,
        "note": note,
    }


@router.get("/uploads/{identity}.png")
async def show_upload(request: Request, identity: str) -> Response:
    """Return an upload as it is compared."""
    png = await asyncio.to_thread(request.app.state.workspace.upload, identity)
    if png is None:
        raise HTTPException(404, "there is no such upload")
    return Response(png, media_type="image/png", headers=FOREVER)


@router.get("/api/search")
async def search(request: Request) -> Response:
    """Return the record of a search."""
    question = Question.of(request.query_params.multi_items(), others=())
    return answer_json(answer_of(*await request.app.state.searcher.search(question)))


@router.post("/api/search")
async def search_files(request: Request) -> Response:
    """Return the record of a search whose drawings may be files."""
    async with request.form(max_files=MOST_REPEATED, max_fields=100) as form:
        question = Question.of(await _stored(request, form), others=())
    return answer_json(answer_of(*await request.app.state.searcher.search(question)))


async def _stored(request: Request, form: FormData) -> Sequence[tuple[str, str]]:
    """Return the fields of a form with its files as uploads."""
    fields = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            found = await upload(request, await value.read(), value.filename or "")
            value = str(Asked("upload", found["id"]))
        fields.append((name, value))
    return fields


@router.get("/api/patents/{name:path}")
async def patent(request: Request, name: str) -> Response:
    """Return what is known of a patent, and its drawings."""
    index: Index = request.app.state.searcher.index
    rows = index.rows_of(name).tolist()
    if not rows:
        raise HTTPException(404, "the index has no patent of this name")
    facts = {key: index.drawings[key][rows[0]].as_py() for key in ("title", "locarno", "classes", "date")}
    date = facts["date"].isoformat() if facts["date"] else ""
    drawings = [{"path": index.path(row), "view": index.drawings["view"][row].as_py(), **links(index, row)} for row in rows]
    return answer_json({"patent": name, **facts, "date": date, "drawings": drawings})


@router.get("/api/facets")
async def count_facets(request: Request, where: str = "") -> Response:
    """Return of how many patents the drawings that pass a filter are, for each class, Locarno class and year."""
    index: Index = request.app.state.searcher.index
    return answer_json(await asyncio.to_thread(_facets, index, where))


def _facets(index: Index, where: str) -> dict[str, Any]:
    found = facets(index, apply_filter(index, where).passed)
    return {
        name: [{"value": value, "patents": count} for value, count in values[:MOST_VALUES]] for name, values in found.items()
    }


@router.get("/thumbnails/{digest}.png")
def thumbnail(request: Request, digest: str) -> Response:
    """Return a drawing of the index, small."""
    index: Index = request.app.state.searcher.index
    return Response(index.thumbnail(row_of(index, digest)), media_type="image/png", headers=FOREVER)


@router.get("/drawings/{digest}.png")
async def drawing(request: Request, digest: str) -> Response:
    """Return a drawing of the index, large; its thumbnail where its file is gone."""
    index: Index = request.app.state.searcher.index
    row = row_of(index, digest)
    try:
        decoded = await request.app.state.decoder.file(index.path(row), LARGE)
        return Response(decoded.png, media_type="image/png", headers=FOREVER)
    except Unreadable:
        return Response(index.thumbnail(row), media_type="image/png")


def row_of(index: Index, digest: str) -> int:
    """Return the row of a drawing, by the hex digits of its digest; HTTPException 404 where there is none."""
    row = index.row_of(bytes.fromhex(digest)) if ID.fullmatch(digest) else None
    if row is None:
        raise HTTPException(404, "the index has no drawing of this digest")
    return row


@router.get("/healthz")
async def health(request: Request) -> Response:
    """Say whether queries can be answered."""
    searcher = request.app.state.searcher
    if reason := searcher.fault or searcher.network_fault:
        return answer_json({"error": reason}, 503)
    return answer_json({"status": "ok", "network": searcher.network})


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Return the counts of the server."""
    return Response(request.app.state.metrics.text(), headers={"content-type": CONTENT_TYPE})


def answer_of(index: Index, result: Result) -> dict[str, Any]:
    """Return the `record` of a search, with the digest of each drawing and the addresses of its pictures."""
    found = record(index, result)
    for answer in found["answers"]:
        answer["url"] = f"/api/patents/{quote(answer['patent'])}"
        for each in answer["drawings"]:
            each |= links(index, each["row"])
    return found


def links(index: Index, row: int) -> dict[str, str]:
    """Return the `digest` of a drawing, in hex digits, and the addresses of its pictures, `thumbnail` and `image`."""
    digest = index.drawings["digest"][row].as_py().hex()
    return {"digest": digest, "thumbnail": f"/thumbnails/{digest}.png", "image": f"/drawings/{digest}.png"}


def answer_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return JSON in ASCII: names of files that are not UTF-8 are read back."""
    return Response(json.dumps(value), status, headers, "application/json")
