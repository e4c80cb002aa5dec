"""The record of a search, for the file: as a table, CSV, JSON, and a page with the drawings."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

import fastpatent
from fastpatent.data.tables import write_csv
from fastpatent.files import write_atomically
from fastpatent.report.page import lines, render
from fastpatent.report.picture import data_url
from fastpatent.search.figures import box_text, figure_values
from fastpatent.search.index import Index
from fastpatent.search.query import Answer, Result, View, percent

COLUMNS = (
    "query", "rank", "patent", "score", "cosine", "percentile",
    "title", "locarno", "classes", "date", "drawings", "best_drawing", "best_figure",
)  # fmt: skip
MOST_PICTURES = 5000  # of a page: some 15 MB
LONGEST_LINE = 10_000  # letters of a line of a note


def record(index: Index, result: Result) -> dict[str, Any]:
    """Return a search as plain JSON values: what was asked, of which index and network, when, and what was found."""
    query, manifest = result.query, index.manifest
    views = [_view(view, name) for view, name in zip((*query.views, *query.minus), result.asked.names)]
    return {
        "date": result.date,
        "fastpatent": fastpatent.__version__,
        "index": {
            "folder": os.path.abspath(index.folder),
            "generation": index.generation,
            "written": manifest["written"],
            "kind": manifest["kind"],
            "network": manifest["network"]["digest"],
            "drawings": len(index),
            "patents": len(index.patents),
        },
        "query": {
            "drawings": views[: len(query.views)],
            "texts": list(query.texts),
            "minus": views[len(query.views) :],
            "expand": query.expand,
            "text_weight": query.text_weight,
            "minus_weight": query.minus_weight,
            "where": result.where,
            "excluded": result.excluded,
            "k": result.k,
        },
        "compared": result.compared,
        "verdict": result.verdict,
        "answers": [
            {
                "rank": rank,
                "patent": answer.patent,
                "score": answer.score,
                "cosine": answer.cosine,
                "percentile": answer.percentile,
                **_facts(index, answer),
                "drawings": [
                    {"row": row, "path": index.path(row), "figure": figure_values(index.figure(row)), "cosine": cosine}
                    for row, cosine in zip(answer.rows, answer.cosines)
                ],
            }
            for rank, answer in enumerate(result.answers, 1)
        ],
    }


def result_table(index: Index, result: Result) -> Table:
    """Return the answers for a terminal."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("", "score", "cosine", "percentile"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("patent", "title"):
        table.add_column(heading, overflow="fold")
    table.add_column("date", no_wrap=True)
    table.add_column("drawings", justify="right", no_wrap=True)
    for rank, answer in enumerate(result.answers, 1):
        facts = _facts(index, answer)
        figures = str(rank), f"{answer.score:.3f}", f"{answer.cosine:.3f}", _percent(answer)
        table.add_row(*figures, answer.patent, facts["title"], facts["date"], str(len(answer.rows)))
    return table


def write_result_csv(path: str | Path, index: Index, results: Sequence[tuple[str, Result]]) -> None:
    """Write one row for each answer to each query, which has a name, in full precision; what is unknown is empty."""
    rows = []
    for name, result in results:
        for rank, answer in enumerate(result.answers, 1):
            facts = _facts(index, answer)
            figures = answer.score, answer.cosine, answer.percentile
            known = facts["title"], facts["locarno"], "; ".join(facts["classes"]), facts["date"]
            best = index.path(answer.rows[0]), box_text(index.figure(answer.rows[0]))
            rows.append((name, rank, answer.patent, *figures, *known, len(answer.rows), *best))
    write_atomically(path, lambda temporary: write_csv(temporary, [COLUMNS, *rows]))


def write_result_json(path: str | Path, index: Index, result: Result) -> None:
    """Write the `record`."""
    text = json.dumps(record(index, result), indent=1) + "\n"  # in ASCII: names that are not UTF-8 are read back
    write_atomically(path, lambda temporary: temporary.write_text(text))


def write_result_page(path: str | Path, index: Index, name: str, result: Result) -> None:
    """Write the `result_page`."""
    page = result_page(index, name, result)
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))


def result_page(index: Index, name: str, result: Result, shortlist: str = "", notes: Sequence[tuple[str, str]] = ()) -> str:
    """Return a self-contained page of a query, its answers with their drawings, and the record.

    Args:
        index: that was searched.
        name: of the query.
        result: what was found.
        shortlist: name of a shortlist whose notes the page has too.
        notes: (patent, note) of the shortlist.
    """
    query, asked = result.query, result.asked
    pictures = [
        _item(picture, Path(name).name, "", "query" if place < len(query.views) else "unknown")
        for place, (picture, name) in enumerate(zip(asked.pictures, asked.names))
    ]
    left, answers = MOST_PICTURES, []
    for rank, answer in enumerate(result.answers, 1):
        items = [drawing_item(index, row, f"{cosine:.3f}") for row, cosine in zip(answer.rows[:left], answer.cosines)]
        left -= len(items)
        answers.append((f"{rank}. {answer.patent}", _line(index, answer), items))
    meaning = "Score is the mean over the query's drawings of the best match among a patent's, by the cosine."
    if query.texts or query.minus or query.expand:
        meaning = "Score is the best match of the query as a whole, cosine that of its drawings, or of its words alone."
    return render(
        "search.html",
        f"Search: {name}",
        facts=[f"{index.folder}, generation {index.generation}", f"{result.compared:,} drawings compared", result.date],
        verdict=result.verdict[:1].upper() + result.verdict[1:],
        views=pictures[: len(query.views)],
        minus=pictures[len(query.views) :],
        meaning=meaning,
        answers=answers,
        limit="" if left else f"{MOST_PICTURES:,}",
        shortlist=shortlist,
        notes=[(patent, lines(note, LONGEST_LINE)) for patent, note in notes],
        record=record_lines(index, result),
    )


def record_lines(index: Index, result: Result) -> list[tuple[str, str]]:
    """Return what a page has of the record, (what, value)."""
    query, manifest, count = result.query, index.manifest, len(result.query.views)
    views = [_shown(_view(view, name)) for view, name in zip((*query.views, *query.minus), result.asked.names)]
    every = [
        *((f"drawing {place}", view) for place, view in enumerate(views[:count], 1)),
        *(("text", text) for text in query.texts),
        ("weight of the text", f"{query.text_weight:g}" if query.texts and query.views else ""),
        *(("less like", view) for view in views[count:]),
        ("weight of less like", f"{query.minus_weight:g}" if query.minus else ""),
        ("expanded by", f"{query.expand} drawings" if query.expand else ""),
        ("filter", result.where),
        ("excluded", ", ".join(result.excluded)),
        ("compared", f"{result.compared:,} drawings of {len(index):,}"),
        ("answers", f"{len(result.answers):,} of {result.k:,} asked for"),
        ("index", f"{os.path.abspath(index.folder)}, generation {index.generation}, written {manifest['written']}"),
        ("kind of index", manifest["kind"]),
        ("network", f"digest {manifest['network']['digest']}"),
        ("fastpatent", fastpatent.__version__),
        ("date", result.date),
    ]
    return [(what, value) for what, value in every if value]


def _view(view: View, name: str) -> dict[str, Any]:
    blanks = [list(blank) for blank in view.blanks]
    return {"name": name, "crop": view.crop and list(view.crop), "blanks": blanks, "turn": view.turn, "mirror": view.mirror}


def _shown(view: dict[str, Any]) -> str:
    crop = f", cropped to {','.join(map(str, view['crop']))}" if view["crop"] else ""
    turn = f", turned by {90 * view['turn']} degrees" if view["turn"] else ""
    return f"{view['name']}{crop}{turn}{', mirrored' * view['mirror']}"


def patent_facts(index: Index, row: int) -> dict[str, Any]:
    """Return title, Locarno class, classes and date of a patent as plain JSON values, by a drawing; empty where unknown."""
    facts = {name: index.drawings[name][row].as_py() for name in ("title", "locarno", "classes", "date")}
    return {**facts, "date": facts["date"].isoformat() if facts["date"] else ""}


def facts_line(facts: Mapping[str, Any]) -> str:
    """Return `patent_facts` in a line."""
    return ", ".join(filter(None, [facts["title"], facts["locarno"], *facts["classes"], facts["date"]]))


def _facts(index: Index, answer: Answer) -> dict[str, Any]:
    return patent_facts(index, answer.rows[0])


def _line(index: Index, answer: Answer) -> str:
    figures = [f"score {answer.score:.3f}", f"cosine {answer.cosine:.3f}"]
    figures += [f"closer than {_percent(answer)} of random pairs"] if answer.percentile is not None else []
    return ", ".join(filter(None, [facts_line(_facts(index, answer)), *figures]))


def _percent(answer: Answer) -> str:
    return "" if answer.percentile is None else percent(answer.percentile)


def drawing_item(index: Index, row: int, score: str = "") -> dict[str, Any]:
    """Return a drawing of an index for a page that loads nothing."""
    return _item(index.thumbnail(row), Path(index.label(row)).name, score, "unknown")


def _item(picture: bytes, name: str, score: str, verdict: str) -> dict[str, Any]:
    return {"url": data_url(picture, "image/png"), "name": name, "score": score, "verdict": verdict}
