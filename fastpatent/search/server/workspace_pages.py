"""Pages of what a searcher keeps: shortlists with notes, and saved searches."""

import asyncio
import io
import os
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData

from fastpatent.data.tables import print_csv
from fastpatent.report.page import lines, render
from fastpatent.search.index import Index
from fastpatent.search.record import drawing_item, facts_line, record
from fastpatent.search.server.api import links
from fastpatent.search.server.question import PATENT, Asked, Question
from fastpatent.search.server.record_pages import answer_shown
from fastpatent.search.server.rendering import download, download_json, page
from fastpatent.search.server.shortlist_rows import COLUMNS, number_of, rows_of
from fastpatent.search.server.workspace import LONGEST_NAME, LONGEST_NOTE, Missing, Shortlist, Workspace
from fastpatent.text import short_line

FIRST_DRAWINGS = 6  # of a patent of a shortlist
MOST_FIELDS = 20  # of a form
NEW = "Shortlist"  # name of the first one, where none is given
BOUNDS = {"longest_name": LONGEST_NAME, "longest_note": LONGEST_NOTE}
router = APIRouter(include_in_schema=False)


@router.get("/shortlists")
def shortlists_page(request: Request) -> HTMLResponse:
    """List the shortlists."""
    return page(request, "shortlists.html", shortlists=request.app.state.workspace.shortlists(), **BOUNDS)


@router.post("/shortlists")
async def create_shortlist(request: Request) -> Response:
    """Make a shortlist and lead to it."""
    form = await _form(request)
    number = await asyncio.to_thread(request.app.state.workspace.create_shortlist, _text(form, "name"))
    return RedirectResponse(f"/shortlists/{number}", 303)


@router.post("/shortlists/add")
async def add_to_shortlist(request: Request) -> Response:
    """Add a patent to a shortlist: to the one that is given, else to the newest, and to a new one where there is none."""
    form, state = await _form(request), request.app.state
    address = Question.of_address(_text(form, "address")).address()
    values = _text(form, "shortlist"), _text(form, "patent"), address if address != "/" else ""
    chosen, is_new = await asyncio.to_thread(_add, state.workspace, state.searcher.index, *values)
    if "hx-request" not in request.headers:
        return RedirectResponse(f"/shortlists/{chosen.id}#{quote(values[1])}", 303)
    return page(request, "_added.html", shortlist=chosen, is_new=is_new)


@router.get("/shortlists/{number}")
def shortlist_page(request: Request, number: int) -> HTMLResponse:
    """Show a shortlist."""
    workspace, index = request.app.state.workspace, request.app.state.searcher.index
    shortlist = workspace.shortlist(number)
    patents = [_patent(index, row) for row in rows_of(index, workspace.entries(number))]
    return page(request, "shortlist.html", shortlist=shortlist, patents=patents, **BOUNDS)


@router.post("/shortlists/{number}/{change}")
async def change_shortlist(request: Request, number: int, change: str) -> Response:
    """Rename or delete a shortlist; note, up, down or remove one of its patents."""
    form, workspace = await _form(request), request.app.state.workspace
    patent = _text(form, "patent")
    changes = {
        "rename": lambda: workspace.rename_shortlist(number, _text(form, "name")),
        "delete": lambda: workspace.delete_shortlist(number),
        "note": lambda: workspace.set_note(number, patent, _text(form, "note")),
        "up": lambda: workspace.move(number, patent, -1),
        "down": lambda: workspace.move(number, patent, 1),
        "remove": lambda: workspace.remove(number, patent),
    }
    if change not in changes:
        raise Missing("there is no such change of a shortlist")
    await asyncio.to_thread(changes[change])
    if change == "note" and "hx-request" in request.headers:
        return HTMLResponse("Saved", headers={"Cache-Control": "no-store"})
    place = "" if change == "delete" else f"/{number}"
    anchor = f"#{quote(patent)}" if change in ("note", "up", "down") else ""
    return RedirectResponse(f"/shortlists{place}{anchor}", 303)


@router.get("/shortlists/{number}/export.{form}")
def export_shortlist(request: Request, number: int, form: str) -> Response:
    """Download a shortlist as csv, json, or html: a page that loads nothing."""
    workspace, index = request.app.state.workspace, request.app.state.searcher.index
    shortlist, rows = workspace.shortlist(number), rows_of(index, workspace.entries(number))
    if form == "csv":
        text = io.StringIO()
        table = ([*row.values()] for row in ({**row, "classes": "; ".join(row["classes"])} for row in rows))
        print_csv(text, [COLUMNS, *table])
        return download(text.getvalue(), "text/csv", f"shortlist-{number}.csv")
    if form == "json":
        origin = {"folder": os.path.abspath(index.folder), "generation": index.generation}
        found = {"name": shortlist.name, "made": shortlist.made, "index": origin, "patents": rows}
        return download_json(found, f"shortlist-{number}.json")
    if form != "html":
        raise Missing("a shortlist is downloaded as csv, json or html")
    facts = [f"{len(rows):,} patents", f"{index.folder}, generation {index.generation}", f"begun {shortlist.made}"]
    patents = [
        (f"{row['place']}. {row['patent']}", facts_line(row), lines(row["note"], LONGEST_NOTE), _items(index, row["patent"]))
        for row in rows
    ]
    text = render("shortlist.html", f"Shortlist: {shortlist.name}", facts=facts, patents=patents)
    return download(text, "text/html", f"shortlist-{number}.html")


@router.get("/saved")
def saved_page(request: Request) -> HTMLResponse:
    """List the saved searches."""
    return page(request, "saved.html", searches=request.app.state.workspace.saved())


@router.post("/saved")
async def save_search(request: Request) -> Response:
    """Save the search of an address, with what it finds now."""
    form = await _form(request)
    question = Question.of_address(_text(form, "address"))
    index, result = await request.app.state.searcher.search(question)
    values = question.address(), index.generation, [answer.patent for answer in result.answers], _text(form, "note")
    await asyncio.to_thread(request.app.state.workspace.save_search, _text(form, "name"), *values)
    return RedirectResponse("/saved", 303)


@router.get("/saved/{number}")
async def run_again(request: Request, number: int) -> HTMLResponse:
    """Run a saved search again and show which of its answers are new."""
    saved = await asyncio.to_thread(request.app.state.workspace.saved_search, number)
    index, result = await request.app.state.searcher.search(Question.of_address(saved.address))
    known = {*saved.patents}
    new = [answer_shown(index, answer) for answer in record(index, result)["answers"] if answer["patent"] not in known]
    values = {"saved": saved, "generation": index.generation, "count": len(result.answers), "new": new}
    return await asyncio.to_thread(page, request, "saved_search.html", **values, address=saved.address)


@router.post("/saved/{number}/delete")
async def delete_search(request: Request, number: int) -> Response:
    """Remove a saved search."""
    await asyncio.to_thread(request.app.state.workspace.delete_search, number)
    return RedirectResponse("/saved", 303)


def _add(workspace: Workspace, index: Index, number: str, patent: str, address: str) -> tuple[Shortlist, bool]:
    if not len(index.rows_of(patent)):
        raise Missing(f"the index has no patent {short_line(patent)}")
    if number:
        chosen = workspace.shortlist(number_of(number))
    else:
        chosen = next(iter(workspace.shortlists()), None) or workspace.shortlist(workspace.create_shortlist(NEW))
    return chosen, workspace.add(chosen.id, patent, address=address)


def _patent(index: Index, row: dict[str, Any]) -> dict[str, Any]:
    """Return what the page of a shortlist shows of one of its `rows_of`."""
    name, drawings = row["patent"], index.rows_of(row["patent"]).tolist()
    return {
        "name": name,
        "title": row["title"],
        "facts": [*filter(None, [name if row["title"] else "", *row["classes"], row["locarno"], row["date"]])],
        "pictures": [links(index, drawing)["thumbnail"] for drawing in drawings[:FIRST_DRAWINGS]],
        "count": len(drawings),
        "note": row["note"],
        "added": row["added"][:16],
        "address": row["search"],
        "search": Question((Asked(PATENT, name),)).address(),
    }


def _items(index: Index, patent: str) -> list[dict[str, Any]]:
    """Return the first drawings of a patent for a page that loads nothing."""
    return [drawing_item(index, row) for row in index.rows_of(patent)[:FIRST_DRAWINGS].tolist()]


async def _form(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=MOST_FIELDS)


def _text(form: FormData, name: str) -> str:
    return str(form.get(name, ""))
