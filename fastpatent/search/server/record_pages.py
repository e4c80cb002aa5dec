"""The record of the search in the address: as a page, and to download as a page for the file or as JSON."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from fastpatent.report.picture import data_url
from fastpatent.search.index import Index
from fastpatent.search.query import Result
from fastpatent.search.record import facts_line, record, record_lines, result_page
from fastpatent.search.server.api import links
from fastpatent.search.server.question import PATENT, UPLOAD, Asked, Question
from fastpatent.search.server.rendering import download, download_json, page
from fastpatent.search.server.shortlist_rows import number_of, rows_of
from fastpatent.search.server.workspace import Missing, Workspace
from fastpatent.text import short_line

router = APIRouter(include_in_schema=False)


@router.get("/record")
async def record_page(request: Request) -> HTMLResponse:
    """Show the record of the search in the address."""
    question = Question.of(request.query_params.multi_items())
    index, result = await searched(request, question)
    return await asyncio.to_thread(_page, request, question, index, result)


@router.get("/record.{form}")
async def download_record(request: Request, form: str) -> Response:
    """Download the record, as html or json, with the notes of a shortlist where one is chosen."""
    if form not in ("html", "json"):
        raise Missing("a record is downloaded as html or json")
    index, result = await searched(request, Question.of(request.query_params.multi_items()))
    number = request.query_params.get("shortlist", "")
    return await asyncio.to_thread(_file, index, result, request.app.state.workspace, number, form)


async def searched(request: Request, question: Question) -> tuple[Index, Result]:
    """Return what is found, with the names of the files of uploads beside their IDs."""
    index, result = await request.app.state.searcher.search(question)
    names = await asyncio.to_thread(_named, request.app.state.workspace, question, result.asked.names)
    return index, result._replace(asked=result.asked._replace(names=names))


def answer_shown(index: Index, answer: dict[str, Any]) -> dict[str, Any]:
    """Return what a page shows of an answer of a `record`."""
    return {
        "rank": answer["rank"],
        "name": answer["patent"],
        "line": facts_line(answer),
        "cosine": f"{answer['cosine']:.3f}",
        "url": links(index, answer["drawings"][0]["row"])["thumbnail"],
        "search": Question((Asked(PATENT, answer["patent"]),)).address(),
    }


def _page(request: Request, question: Question, index: Index, result: Result) -> HTMLResponse:
    asked = result.asked
    values = {
        "name": _name(result),
        "pictures": list(zip((data_url(picture, "image/png") for picture in asked.pictures), asked.names)),
        "lines": record_lines(index, result),
        "answers": [answer_shown(index, answer) for answer in record(index, result)["answers"]],
        "verdict": result.verdict[:1].upper() + result.verdict[1:],
        "params": question.params(),
        "shortlists": request.app.state.workspace.shortlists(),
    }
    return page(request, "record.html", **values, address=question.address(), record=question.address("/record"))


def _file(index: Index, result: Result, workspace: Workspace, number: str, form: str) -> Response:
    shortlist = workspace.shortlist(number_of(number)) if number else None
    entries = workspace.entries(shortlist.id) if shortlist else []
    if form == "html":
        notes = [(entry.patent, entry.note) for entry in entries]
        text = result_page(index, _name(result), result, shortlist.name if shortlist else "", notes)
        return download(text, "text/html", "record.html")
    found = record(index, result)
    for drawing, picture in zip([*found["query"]["drawings"], *found["query"]["minus"]], result.asked.pictures):
        drawing["picture"] = data_url(picture, "image/png")
    if shortlist:
        found["shortlist"] = {"name": shortlist.name, "made": shortlist.made, "patents": rows_of(index, entries)}
    return download_json(found, "record.json")


def _named(workspace: Workspace, question: Question, names: Sequence[str]) -> list[str]:
    uploads = {asked.name for asked in (*question.views, *question.minus) if asked.kind == UPLOAD}
    files = {f"upload {identity}": workspace.upload_name(identity) for identity in uploads}
    return [f"{files[name]} ({name})" if files.get(name) else name for name in names]


def _name(result: Result) -> str:
    """Return a short name of a search: its first drawing or text."""
    names = result.asked.names if result.query.views else result.query.texts
    return short_line(os.path.basename(names[0]))
