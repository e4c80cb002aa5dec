"""The designs that a search has found: as a table, CSV, JSON, and a page with all their drawings."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from fastpatent.data.tables import write_csv
from fastpatent.data.workers import map_in_order
from fastpatent.evaluation.design_search import Answer, Found
from fastpatent.files import write_atomically
from fastpatent.report.page import page_head, plain
from fastpatent.report.picture import picture_url
from fastpatent.text import LONGEST

COLUMNS = ("query", "rank", "design", "closeness", "percentile", "drawings", "contains_query")
CONTAINS_QUERY = "contains the query"
MOST_PICTURES = 5000  # of a page: some 15 MB
SIDE = 160  # pixels of a thumbnail
STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:24px auto;padding:0 16px;max-width:1160px;color:#222;"
    "overflow-wrap:anywhere}h1{font-size:22px}h2{font-size:17px;margin:32px 0 6px;border-top:2px solid;padding-top:10px}"
    "h3{font-size:15px;margin:16px 0 4px}h3 small{font-weight:400;color:#555;margin-left:8px}p{max-width:80ch;color:#444}"
    "div{display:flex;flex-wrap:wrap;gap:8px}figure{margin:0;width:114px}img{width:100%;border:1px solid #ccc}"
    "*{box-sizing:border-box}figcaption{font-size:10px;line-height:1.2;color:#666}.query img{border:3px solid #0072b2}"
    "@media(max-width:500px){figure{width:78px}}"
)
KEY = (
    "The drawings of the query have a blue frame. Closeness is the cosine of the best match among a design's drawings; of "
    "several views of a query it is the mean. The percentile says how many percent of random pairs of drawings of different "
    "designs of the folder are less close."
)


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
    urls = dict(zip(different, map_in_order(partial(picture_url, size=SIDE), different, workers)))
    pictures = chain((_picture(path, urls[path]) for path in every[:MOST_PICTURES]), repeat(""))
    limit = f"<p>Only the first {MOST_PICTURES:,} drawings are shown.</p>" if len(every) > MOST_PICTURES else ""
    page = (
        f"{page_head('Designs found', STYLE)}<p>Searched: {plain(searched)}. {KEY}</p>{limit}"
        f"{''.join(_section(found, pictures) for found in results)}</body></html>\n"
    )
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))


def _section(found: Found, pictures: Iterator[str]) -> str:
    """Return one query with its answers; `pictures` yields those of all drawings in the order of the page."""
    views = "".join(islice(pictures, len(found.views)))
    answers = []
    for rank, answer in enumerate(found.answers, 1):
        facts = [f"closeness {answer.closeness:.3f}"]
        facts += [f"percentile {_percent(answer)}"] if answer.percentile is not None else []
        facts += [f"{len(answer.drawings)} drawing{'s' * (len(answer.drawings) > 1)}"]
        facts += [CONTAINS_QUERY] if answer.has_query else []
        answers.append(
            f"<section><h3>{rank}. {plain(answer.design)}<small>{', '.join(facts)}</small></h3>"
            f"<div>{''.join(islice(pictures, len(answer.drawings)))}</div></section>"
        )
    heading = f'<h2>Query: {plain(found.query)}</h2><div class="query">{views}</div>'
    return f"<section>{heading}{''.join(answers)}</section>"


def _picture(path: str, url: str) -> str:
    name = plain(Path(path).name, LONGEST)
    return f'<figure><img alt="{name}" src="{url}"><figcaption>{name}</figcaption></figure>'


def _percent(answer: Answer) -> str:
    return "" if answer.percentile is None else f"{answer.percentile:.1f} %"
