"""The designs that a search has found: as a table, CSV, JSON, and a page with all their drawings."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from fastpatent.data.tables import write_csv
from fastpatent.data.workers import map_in_order
from fastpatent.evaluation.design_search import Answer, Found
from fastpatent.files import write_atomically
from fastpatent.report.page import render
from fastpatent.report.picture import picture_url

COLUMNS = ("query", "rank", "design", "closeness", "percentile", "drawings", "contains_query")
CONTAINS_QUERY = "contains the query"
MOST_PICTURES = 5000  # of a page: some 15 MB
LARGE, SMALL, FEW = 256, 160, 2000  # pixels of a thumbnail, smaller where there are more than FEW


def answers_table(found: Found) -> Table:
    """Return the answers to one query, with names in full."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("", "closeness", "percentile"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("design", overflow="fold")
    table.add_column("drawings", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for rank, answer in enumerate(found.answers, 1):
        note = CONTAINS_QUERY if answer.has_query else ""
        cells = f"{answer.closeness:.3f}", _percent(answer), answer.design, f"{len(answer.drawings)}", note
        table.add_row(str(rank), *cells)
    return table


def write_answers_csv(path: str | Path, results: Sequence[Found]) -> None:
    """Write one row per query and design, in full precision; an unknown percentile is empty."""
    rows = [
        (found.query, rank, answer.design, answer.closeness, answer.percentile, len(answer.drawings), answer.has_query)
        for found in results
        for rank, answer in enumerate(found.answers, 1)
    ]
    write_atomically(path, lambda temporary: write_csv(temporary, [COLUMNS, *rows]))


def write_answers_json(path: str | Path, results: Sequence[Found], folder: str, drawings: int, designs: int) -> None:
    """Write the folder, how many drawings and designs it has, and all fields of each `Found`, with ranks."""
    queries = [
        {
            "query": found.query,
            "views": found.views,
            "answers": [{"rank": rank, **answer._asdict()} for rank, answer in enumerate(found.answers, 1)],
        }
        for found in results
    ]
    contents = {"folder": folder, "drawings": drawings, "designs": designs, "queries": queries}
    text = json.dumps(contents, indent=1) + "\n"  # in ASCII: names that are not UTF-8 are read back as they are
    write_atomically(path, lambda temporary: temporary.write_text(text))


def write_answers_page(path: str | Path, results: Sequence[Found], searched: str, workers: int) -> None:
    """Write a self-contained page of all queries and answers, with thumbnails of the first MOST_PICTURES drawings.

    Args:
        path: of the page.
        results: what was found.
        searched: in what, in words.
        workers: processes that read drawings.
    """
    groups = [paths for found in results for paths in (found.views, *(answer.drawings for answer in found.answers))]
    every = [path for paths in groups for path in paths]
    different = list(dict.fromkeys(every[:MOST_PICTURES]))
    read = partial(picture_url, size=LARGE if len(different) <= FEW else SMALL)
    urls = dict(zip(different, map_in_order(read, different, workers)))
    left = MOST_PICTURES

    def pictures(paths: Sequence[str], verdict: str) -> list[dict[str, Any]]:
        nonlocal left
        paths, left = paths[:left], max(0, left - len(paths))
        return [{"url": urls[path], "name": Path(path).name, "score": "", "verdict": verdict} for path in paths]

    queries = []
    for found in results:  # in this order, as the number of pictures is limited
        views = pictures(found.views, "query")
        answers = [
            (f"{rank}. {answer.design}", _facts(answer), pictures(answer.drawings, "unknown"))
            for rank, answer in enumerate(found.answers, 1)
        ]
        queries.append({"name": found.query, "views": views, "answers": answers})
    limit = f"{MOST_PICTURES:,}" if len(every) > MOST_PICTURES else ""
    page = render("found.html", "Designs found", facts=[f"Searched: {searched}"], queries=queries, limit=limit)
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))


def _facts(answer: Answer) -> str:
    facts = [f"closeness {answer.closeness:.3f}"]
    facts += [f"percentile {_percent(answer)}"] if answer.percentile is not None else []
    facts += [f"{len(answer.drawings)} drawing{'s' * (len(answer.drawings) > 1)}"]
    facts += [CONTAINS_QUERY] if answer.has_query else []
    return ", ".join(facts)


def _percent(answer: Answer) -> str:
    return "" if answer.percentile is None else f"{answer.percentile:.1f} %"
