"""A question to an index, and its answer: drawings, patents and words that the designs shall be like, or unlike.

`search` is the one way from a query to patents, for the shell, Python and servers: it turns drawings and texts into vectors
(`embed_queries`) and ranks patents by them (`answer_query`).
"""

import datetime
import os
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute
from PIL import Image, ImageOps
from yacs.config import CfgNode

from fastpatent.data.image import black_on_white, grey_drawing, inverts, open_drawing
from fastpatent.data.records import Sample
from fastpatent.errors import DataError, nearest, shown
from fastpatent.evaluation.combined import combine
from fastpatent.evaluation.design_search import percentile_of
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.report.picture import shrink, small_png
from fastpatent.retrieval.distance import normalise
from fastpatent.retrieval.expansion import expand_queries
from fastpatent.search.figures import Figure, cut_out, read_figure, split_sheet
from fastpatent.search.filters import Filter, apply_filter
from fastpatent.search.index import Index
from fastpatent.search.network import pipeline_of, stored_config
from fastpatent.search.patents import best_patents
from fastpatent.search.sources import THUMBNAIL
from fastpatent.text import short_line

K = 20
NEAR = 100  # names before and after one that is unknown, among which it is sought: difflib takes 30 us for each
CLOSE = 99.0  # percentile of the best answer below which nothing is close
MOST_EXPANSION, MOST_WEIGHT = 1000, 100
Crop = tuple[int, int, int, int]
Networks = Callable[[], Pipeline]


class View(NamedTuple):
    """A drawing of a query.

    Attributes:
        drawing: path; or PIL image, or uint8 array as of `grey_drawing`; or row of the index.
        crop: left, top, width and height in pixels of the image, upright; None: all of it.
        mirror: whether left and right are exchanged, after the crop and the turn.
        turn: by how many times 90 degrees counterclockwise it is turned, after the crop.
        blanks: boxes, as of `crop`, that become white: captions.
        name: of an image in memory, for messages and the record.
    """

    drawing: str | os.PathLike[str] | Image.Image | np.ndarray | int
    crop: Crop | None = None
    mirror: bool = False
    turn: int = 0
    blanks: tuple[Crop, ...] = ()
    name: str = "image in memory"


class Query(NamedTuple):
    """What is asked for.

    Attributes:
        views: drawings of one design.
        texts: what it shall be like, in words; their mean counts.
        minus: drawings that it shall be unlike; their mean counts.
        expand: how many of the nearest drawings each view is averaged with.
        excluded: names of patents that are no answers.
        own: whether patents that the views are of, by row or path, are answers too.
        text_weight: share of the texts, 0 to 1, where there are views too.
        minus_weight: factor of the drawings of `minus`.
    """

    views: Sequence[View] = ()
    texts: Sequence[str] = ()
    minus: Sequence[View] = ()
    expand: int = 0
    excluded: Sequence[str] = ()
    own: bool = False
    text_weight: float = 0.5
    minus_weight: float = 0.5


class Asked(NamedTuple):
    """A query in vectors, of length 1 or zero.

    Attributes:
        views: float32 [views, dim].
        minus: float32 [minus, dim].
        text: float32 [1, dim], None without texts.
        names: of the views and of `minus`.
        pictures: what was compared, of the views and of `minus`, as small PNG files.
        own: names of the patents of the index that the views are of.
    """

    views: np.ndarray
    minus: np.ndarray
    text: np.ndarray | None
    names: list[str]
    pictures: list[bytes]
    own: list[str]


class Answer(NamedTuple):
    """A patent that was found.

    Attributes:
        patent: its name.
        score: by which answers are sorted.
        cosine: mean over the views, as they are, of the best cosine with a drawing of the patent; of a query of texts alone,
            of the texts.
        percentile: how many percent of random pairs of drawings of different patents are less close than `cosine`; None
            for texts alone, or an index of one patent.
        rows: its drawings that pass the filter, the best first.
        cosines: of each of these the best with a view.
    """

    patent: str
    score: float
    cosine: float
    percentile: float | None
    rows: list[int]
    cosines: list[float]


class Result(NamedTuple):
    """What a search has found, and what is needed to repeat it.

    Attributes:
        query, asked: the question.
        where: the filter, as it was written.
        k: how many answers were asked for.
        answers: best first; k of them, or all patents that could be compared.
        compared: how many drawings passed the filter.
        excluded: names of patents that were no answers.
        verdict: what the answers are worth, in words; "" where there is nothing to say.
        date: ISO date and time.
    """

    query: Query
    asked: Asked
    where: str
    k: int
    answers: list[Answer]
    compared: int
    excluded: list[str]
    verdict: str
    date: str


def search(
    index: Index,
    query: Query,
    where: str = "",
    k: int = K,
    networks: Networks | None = None,
    files: bool = False,
    split: bool = True,
) -> Result:
    """Return the patents of an index that are nearest to a query.

    Args:
        index: that is searched.
        query: what is asked for.
        where: filter, see `apply_filter`.
        k: how many patents.
        networks: function that returns the network of the index, called where it is needed; None: it is loaded each time.
        files: see `apply_filter`.
        split: see `split_query`.

    Raises:
        DataError: the query is empty or wrong, an image cannot be read, the filter is none, or there is no such patent.
        CheckpointError: the weights of the index's network are gone.
    """
    chosen = apply_filter(index, where, files)  # before a network is loaded
    check_query(index, query, k)
    query = split_query(index, query) if split else query
    return answer_query(index, query, embed_queries(index, [query], networks)[0], chosen, k)


def split_query(index: Index, query: Query) -> Query:
    """Return a query in which sheets are split into their figures, each a view, where the index was built so.

    Rows of the index and views with a crop stay as they are.

    Raises:
        DataError: an image cannot be read.
    """
    if not index.manifest["figures"]:
        return query
    cfg = stored_config(index.folder, index.manifest["network"])
    views, minus = ([part for view in of for part in _figures(index, view, cfg)] for of in (query.views, query.minus))
    return query._replace(views=views, minus=minus)


def _figures(index: Index, view: View, cfg: CfgNode) -> list[View]:
    if view.crop or view.turn or _given_row(view) is not None:
        return [view]
    image = _open(index, view, _name(index, view), cfg)
    figures = split_sheet(image)
    if figures == [Figure(0, 0, *image.size)]:
        return [view]
    return [view._replace(crop=figure[:4], turn=figure.turn, blanks=figure.blanks) for figure in figures]


def check_query(index: Index, query: Query, k: int = K) -> None:
    """Raise DataError where a query cannot be answered, as far as that is known without reading images."""
    if not query.views and not _words(query):
        raise DataError("the query is empty: give a drawing, a patent of the index, or a text")
    if _words(query) and not index.manifest["network"]["texts"]:
        raise DataError(f"{index.folder}: its network reads no text; build an index with a PatentCLIP, or ask by drawings")
    if k < 1:
        raise DataError(f"k is {k}, not 1 or more")
    for name, value, most in (
        ("the number of drawings to expand by", query.expand, MOST_EXPANSION),
        ("the weight of the text", query.text_weight, 1),
        ("the weight of the drawings that answers shall be unlike", query.minus_weight, MOST_WEIGHT),
    ):
        if not 0 <= value <= most:
            raise DataError(f"{name} is {value}, not 0 to {most}")
    for row in map(_given_row, (*query.views, *query.minus)):
        if row is not None and not 0 <= row < len(index):
            raise DataError(f"{index.folder}: has the rows 0 to {len(index) - 1}, not {row}")
    for patent in query.excluded:
        views_of(index, patent)


def views_of(index: Index, patent: str) -> list[View]:
    """Return the drawings of a patent of an index as views; DataError where there is none of this name."""
    rows = index.rows_of(patent).tolist()
    if not rows:
        place = bisect_left(index.patents, patent)
        hint = nearest(patent, index.patents[max(0, place - NEAR) : place + NEAR])
        raise DataError(f"{index.folder}: has no patent {short_line(patent)}{hint if 'did you mean' in hint else ''}")
    return [View(row) for row in rows]


def embed_queries(index: Index, queries: Sequence[Query], networks: Networks | None = None) -> list[Asked]:
    """Turn queries into vectors; rows of the index have theirs, for all else the network is called once.

    Arguments and errors as of `search`; the queries are those of `check_query`.
    """
    views = [view for query in queries for view in (*query.views, *query.minus)]
    texts = [text for query in queries for text in _words(query)]
    stored = [None if view.crop or view.mirror or view.turn else _given_row(view) for view in views]
    pipeline = (networks or (lambda: pipeline_of(index)))() if texts or None in stored else None
    vectors, pictures, samples = np.zeros((len(views), index.vectors.shape[1]), np.float32), [], []
    names = [_name(index, view) for view in views]
    for place, (view, name, row) in enumerate(zip(views, names, stored)):
        if row is None:
            assert pipeline, "it is needed"
            image = _read(index, view, name, pipeline.cfg)
            pictures.append(small_png(shrink(image, THUMBNAIL)))
            samples.append(Sample(f"{name} ({place + 1})", None, image=image))  # one file may have several crops
        else:
            vectors[place] = index.vectors[row]
            pictures.append(index.thumbnail(row))
    if pipeline and samples:
        features = pipeline.embed_images(samples, "the query")
        assert features is not None, "one process extracts everything"
        vectors[[row is None for row in stored]] = features
    vectors = normalise(vectors)
    words = normalise(pipeline.embed_texts(texts, "the query")) if pipeline and texts else vectors[:0]
    found, first, word = [], 0, 0
    for query in queries:
        middle, count = first + len(query.views), len(_words(query))
        last = middle + len(query.minus)
        text = normalise(words[word : word + count].mean(axis=0, keepdims=True)) if count else None
        rows = [row for view in query.views if (row := _row(index, view)) is not None]
        own = list(dict.fromkeys(index.patents[patent] for patent in index.patent_of[rows].tolist())) if rows else []
        found.append(Asked(vectors[first:middle], vectors[middle:last], text, names[first:last], pictures[first:last], own))
        first, word = last, word + count
    return found


def answer_query(index: Index, query: Query, asked: Asked, chosen: Filter, k: int = K) -> Result:
    """Rank the patents of an index by a query that is in vectors.

    v_i = (1 - text_weight) view_i + text_weight text, of length 1; then, with `expand` n, the weighted mean of it and the n
    nearest drawings that may be answers (alpha-QE, see `expand_queries`), of length 1; then v_i - minus_weight mean(minus):
    the negative term of Rocchio (Relevance feedback in information retrieval, in The SMART retrieval system, 1971), which
    subtracts the scaled similarity from that of each drawing. Score of a patent: the mean over i of the best <v_i, drawing>.
    """
    excluded = list(dict.fromkeys([*query.excluded, *(() if query.own else asked.own)]))
    numbers = np.array([index.patent_of[index.rows_of(patent)[0]] for patent in excluded], np.int64)
    plain = asked.views if len(asked.views) else asked.text
    assert plain is not None, "`check_query` refuses an empty query"
    views = plain
    if len(asked.views) and asked.text is not None:
        views = combine(plain, asked.text.repeat(len(plain), axis=0), query.text_weight)
    if query.expand:
        views = _expanded(index, views, query.expand, chosen.passed, numbers)
    if len(asked.minus):
        views = views - np.float32(query.minus_weight) * asked.minus.mean(axis=0)
    patents, scores = best_patents(index, views, k, chosen.passed, numbers)
    random = index.random if len(asked.views) else index.random[:0]
    answers = _answers(index, patents.tolist(), scores.tolist(), views, plain, chosen.passed, random)
    compared = len(index) if chosen.passed is None else int(np.count_nonzero(chosen.passed))
    date = datetime.datetime.now().astimezone().isoformat(" ", "seconds")
    return Result(query, asked, chosen.text, k, answers, compared, excluded, _verdict(answers, compared), date)


def _answers(
    index: Index,
    patents: Sequence[int],
    scores: Sequence[float],
    views: np.ndarray,
    plain: np.ndarray,
    passed: np.ndarray | None,
    random: np.ndarray,
) -> list[Answer]:
    groups = [np.arange(*index.starts[patent : patent + 2]) for patent in patents]
    groups = groups if passed is None else [rows[passed[rows]] for rows in groups]
    every = np.concatenate([*groups, np.zeros(0, np.int64)])
    lengths = np.linalg.norm(views, axis=1, keepdims=True)
    best, cosines = (lengths * index.cosines(views, every)).max(axis=0), index.cosines(plain, every)
    answers, start = [], 0
    for patent, score, rows in zip(patents, scores, groups):
        order = start + np.argsort(-best[start : start + len(rows)], kind="stable")
        start += len(rows)
        found = cosines[:, order]
        cosine = float(found.max(axis=1).mean(dtype=np.float64))
        percentile = percentile_of(cosine, random)
        of_drawings = every[order].tolist(), found.max(axis=0).tolist()
        answers.append(Answer(index.patents[patent], score, cosine, percentile, *of_drawings))
    return answers


def _verdict(answers: Sequence[Answer], compared: int) -> str:
    if not answers:
        return f"nothing was found: {'no patent is left to compare' if compared else 'no drawing passes the filter'}"
    best = max((answer.percentile for answer in answers if answer.percentile is not None), default=None)
    if best is None or best >= CLOSE:
        return ""
    return f"nothing close: the closest patent is closer than only {percent(best)} of random pairs, below {CLOSE:g} %"


def percent(percentile: float) -> str:
    """Write a percentile, rounded down, so that it is 100 only where no random pair is as close."""
    return f"{np.floor(percentile * 100) / 100:.2f} %"


def _expanded(index: Index, views: np.ndarray, count: int, passed: np.ndarray | None, excluded: np.ndarray) -> np.ndarray:
    depth = count + int(np.diff(index.starts)[excluded].sum())
    expanded = []
    for view, rows in zip(views, index.search(views, depth, passed)[1]):
        rows = rows[~np.isin(index.patent_of[rows], excluded)][:count]
        neighbours = np.asarray(index.vectors[rows], np.float32)
        expanded.append(expand_queries(view[None], neighbours, len(rows) + 1, side="query")[0][0])
    return normalise(np.stack(expanded))


def _words(query: Query) -> list[str]:
    return [text for text in query.texts if text.strip()]


def _name(index: Index, view: View) -> str:
    if (row := _given_row(view)) is not None:
        return index.label(row)
    return os.fspath(view.drawing) if isinstance(view.drawing, str | os.PathLike) else view.name


def _read(index: Index, view: View, name: str, cfg: CfgNode) -> Image.Image:
    """Return the image of a view, mode L, black on white where the network wants it, cropped, turned and mirrored."""
    image = _open(index, view, name, cfg)
    left, top, width, height = crop = view.crop or (0, 0, *image.size)
    if min(left, top) < 0 or min(width, height) < 1 or left + width > image.width or top + height > image.height:
        raise DataError(f"{name}: the crop {shown(crop)} is not within its {image.width} x {image.height} pixels")
    image = cut_out(image, Figure(*crop, view.turn % 4, view.blanks))
    return ImageOps.mirror(image) if view.mirror else image


def _open(index: Index, view: View, name: str, cfg: CfgNode) -> Image.Image:
    most = cfg.INPUT.MAX_PIXELS
    if (row := _given_row(view)) is not None and (figure := index.figure(row)):
        return read_figure(index.path(row), figure, inverts(cfg), most)
    if isinstance(view.drawing, Image.Image | np.ndarray):
        image = grey_drawing(view.drawing, name, most)
    else:
        image = open_drawing(name, most=most)
    return black_on_white(image) if inverts(cfg) else image  # a crop may not show which it is


def _given_row(view: View) -> int | None:
    return int(view.drawing) if isinstance(view.drawing, int | np.integer) else None


def _row(index: Index, view: View) -> int | None:
    """Return the row of the drawing that a view is, by row or by path; None where the index has it not."""
    if not isinstance(view.drawing, str | os.PathLike):
        return _given_row(view)
    compute: Any = pyarrow.compute  # its functions are made when it is imported
    for path in {os.path.abspath(view.drawing), os.path.realpath(view.drawing)}:
        row = compute.index(index.drawings["path"], pyarrow.scalar(os.fsencode(path), pyarrow.binary())).as_py()
        if row >= 0:
            return row
    return None
