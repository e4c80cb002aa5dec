"""The rows of a shortlist: its entries with what the index knows of their patents."""

from collections.abc import Sequence
from typing import Any

from fastpatent.search.index import Index
from fastpatent.search.record import patent_facts
from fastpatent.search.server.workspace import Entry, Missing

COLUMNS = ("place", "patent", "title", "locarno", "classes", "date", "note", "added", "search")


def rows_of(index: Index, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the entries of a shortlist as plain JSON values, by COLUMNS; of patents that are gone only what is stored."""
    return [
        {"place": place, "patent": entry.patent, **_facts(index, entry.patent)}
        | {"note": entry.note, "added": entry.added, "search": entry.address}
        for place, entry in enumerate(entries, 1)
    ]


def number_of(text: str) -> int:
    """Return the number of a shortlist from a form; Missing where it is none."""
    if not (text.isascii() and text.isdecimal()):
        raise Missing("there is no such shortlist")
    return int(text[:18])


def _facts(index: Index, patent: str) -> dict[str, Any]:
    rows = index.rows_of(patent)
    return patent_facts(index, int(rows[0])) if len(rows) else {"title": "", "locarno": "", "classes": [], "date": ""}
