"""`fastpatent search INDEX DRAWING...`: the patents of an index that are nearest to drawings, patents and words."""

import argparse
import logging
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import zip_longest
from pathlib import Path

from yacs.config import CfgNode

from fastpatent import log
from fastpatent.commands.options import Parser, add_download_option, parse_words
from fastpatent.config.keys import KEYS
from fastpatent.data.confinement import refuse_outside
from fastpatent.data.image import open_drawing
from fastpatent.data.image_files import SUFFIXES, count_skipped, find_drawings
from fastpatent.data.load_datasets import report_skipped
from fastpatent.device import set_up_device
from fastpatent.downloads import allow_downloads
from fastpatent.errors import ConfigError, DataError
from fastpatent.evaluation.design_search import design_of
from fastpatent.files import check_new, make_folder
from fastpatent.log import terminal
from fastpatent.search.filters import apply_filter
from fastpatent.search.index import Index, open_index
from fastpatent.search.layout import read_manifest
from fastpatent.search.network import pipeline_of, stored_config
from fastpatent.search.query import (
    Crop,
    K,
    Networks,
    Query,
    Result,
    View,
    answer_query,
    check_query,
    embed_queries,
    split_query,
    views_of,
)
from fastpatent.search.record import result_table, write_result_csv, write_result_json, write_result_page
from fastpatent.search.terminal import show_answers

USAGE = """fastpatent search INDEX DRAWING|PATENT... [options] [KEY VALUE]...
       fastpatent search INDEX --text T [options] [KEY VALUE]...
       fastpatent search INDEX --each FOLDER --out REPORTS [options] [KEY VALUE]..."""
CROP = re.compile(r"(\d{1,6}),(\d{1,6}),(\d{1,6}),(\d{1,6})", re.ASCII)
WRITERS = ("csv", "json", "html")
PICTURES = 5
TOGETHER = 16  # designs of --each whose drawings are in memory
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")  # in names of files
logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, search, show and write; return the exit status."""
    args, words = _parse(argv)
    log.start()
    if not words:
        raise ConfigError("give the folder of an index: fastpatent search INDEX DRAWING...")
    folder, *asked = words
    for name in WRITERS:
        if path := getattr(args, name):
            check_new(path, f"--{name}")
    allow_downloads(args.allow_downloads)
    cfg = stored_config(folder, read_manifest(folder)["network"], args.opts)
    index = open_index(folder, set_up_device(cfg).device)
    networks = cache(partial(pipeline_of, index, args.opts))
    if args.each:
        return _search_each(index, args, asked, networks, cfg)
    crops = [_crop(text) for text in args.crop]
    views = [view for word in asked for view in _views(index, word)]
    if crops and len(crops) != len(views):
        raise ConfigError(
            f"--crop: there are {len(views)} drawings and {len(crops)} crops; give one for each, in their order, or -"
        )
    views = [view._replace(crop=crop, mirror=args.mirror) for view, crop in zip_longest(views, crops)]
    name = ", ".join([*asked, *(f'"{text}"' for text in args.text)])
    (result,) = _search(index, args, [views], networks)
    _show(index, name, result)
    if pictures := show_answers(index, result.answers, args.pictures):
        terminal().print(pictures)
    if args.csv:
        write_result_csv(args.csv, index, [(name, result)])
    if args.json:
        write_result_json(args.json, index, result)
    if args.html:
        write_result_page(args.html, index, name, result)
    if written := [path for path in (args.csv, args.json, args.html) if path]:
        logger.info(f"written: {', '.join(written)}")
    return 0


def _parse(argv: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Return (arguments, words); names of patents are words, though they are in capitals as keys are."""
    parser = Parser(
        prog="fastpatent search",
        usage=USAGE,
        description="Search an index for the patents that are nearest to some drawings, which are views of one design, to "
        "patents of the index, and to words.",
    )
    add_download_option(parser)
    again = {"action": "append", "default": []}
    parser.add_argument(
        "--text", metavar="T", help="like this, in words; again for more; for networks that read texts", **again
    )
    parser.add_argument("--minus", metavar="DRAWING|PATENT", help="less like this; again for more", **again)
    parser.add_argument("--where", default="", metavar="F", help='filter: "locarno=09-01 and date>=2018" (docs/search.md)')
    parser.add_argument("--top", "-k", type=int, default=K, metavar="N", help=f"how many patents (default {K})")
    parser.add_argument(
        "--crop", metavar="X,Y,W,H", help="part of a drawing, in pixels; one for each drawing, or -", **again
    )
    parser.add_argument("--mirror", action="store_true", help="exchange left and right of the drawings")
    parser.add_argument("--whole", action="store_true", help="do not split sheets into their figures, as the index is")
    parser.add_argument("--expand", type=int, default=0, metavar="N", help="average with the N nearest drawings (default 0)")
    parser.add_argument("--exclude", metavar="PATENT", help="no answer; again for more", **again)
    parser.add_argument("--own", action="store_true", help="the patents that the drawings are of are answers too")
    parser.add_argument("--weight", type=float, default=0.5, help="share of the text beside drawings (default 0.5)")
    parser.add_argument("--minus-weight", type=float, default=0.5, metavar="WEIGHT", help="of --minus (default 0.5)")
    shown = f"answers whose drawings a terminal with Sixel or Kitty graphics shows (default {PICTURES})"
    parser.add_argument("--pictures", type=int, default=PICTURES, metavar="N", help=shown)
    parser.add_argument("--csv", metavar="F.csv", help="the answers as CSV, a new file")
    parser.add_argument("--json", metavar="F.json", help="the record of the search as JSON, a new file")
    parser.add_argument("--html", metavar="F.html", help="the record of the search as a page with drawings, a new file")
    parser.add_argument("--each", metavar="FOLDER", help="each design of this folder is a query, with a report of its own")
    parser.add_argument("--out", default="", metavar="REPORTS", help="with --each: folder of the reports, new or empty")
    parser.add_argument(
        "opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="settings of its network: MODEL.DEVICE cpu"
    )
    args, words = parse_words(parser, sys.argv[1:] if argv is None else argv)
    words = [*words, *args.opts]
    pairs = next((place for place, word in enumerate(words) if _is_key(word)), len(words))
    args.opts = words[pairs:]
    if option := next((word for word in words[:pairs] if word.startswith("-")), None):
        parser.error(f"{option}: options stand together, before or after the drawings")
    return args, words[:pairs]


def _is_key(word: str) -> bool:
    if word in KEYS:
        return True
    suffix = os.path.splitext(word)[1].lower()
    return word.isupper() and "." in word and suffix not in SUFFIXES and not os.path.lexists(word)


def _crop(text: str) -> Crop | None:
    if text == "-":
        return None
    if not (found := CROP.fullmatch(text)):
        raise ConfigError(f"--crop {text}: write left, top, width and height in pixels, 10,20,300,200, or - for all of it")
    left, top, width, height = map(int, found.groups())
    return left, top, width, height


def _views(index: Index, word: str) -> list[View]:
    """Return the views that a word of the command line names: a file, or the drawings of a patent of the index."""
    if os.path.isdir(word):
        raise ConfigError(f"{word}: is a folder; name drawings, which are views of one design, or give --each {word}")
    if not os.path.lexists(word) and (os.path.splitext(word)[1].lower() not in SUFFIXES or len(index.rows_of(word))):
        return views_of(index, word)
    return [View(word)]


def _search(index: Index, args: argparse.Namespace, asked: Iterable[Sequence[View]], networks: Networks) -> Iterator[Result]:
    """Yield what is found for each of some lists of views, which the network reads together."""
    minus = [view for word in args.minus for view in _views(index, word)]
    rest = args.text, minus, args.expand, args.exclude, args.own, args.weight, args.minus_weight
    chosen = apply_filter(index, args.where, files=True)
    queries = [Query(views, *rest) for views in asked]
    for query in queries:
        check_query(index, query, args.top)
    if not args.whole and (split := [split_query(index, query) for query in queries]) != queries:
        logger.info("sheets of the query are split into their figures, as in the index; --whole takes them as they are")
        queries = split
    for query, found in zip(queries, embed_queries(index, queries, networks)):
        yield answer_query(index, query, found, chosen, args.top)


def _show(index: Index, name: str, result: Result) -> None:
    views = len(result.query.views)
    logger.info(f"query: {name}{f', {views} views' if views > 1 else ''}")
    among = f" that pass the filter {result.where}" if result.where else ""
    logger.info(f"{index.folder}: {result.compared:,} of {len(index):,} drawings{among} compared")
    if result.excluded:
        logger.info(f"no answers: {', '.join(result.excluded)}")
    if result.answers:
        logger.info(result_table(index, result))
    if result.verdict:
        logger.warning(result.verdict)


def _search_each(index: Index, args: argparse.Namespace, asked: Sequence[str], networks: Networks, cfg: CfgNode) -> int:
    """Search for every design of a folder; write a page and a CSV file for each, and one CSV file of all."""
    for given, what in (
        (asked, "drawings"),
        (args.crop, "--crop"),
        *((getattr(args, name), f"--{name}") for name in WRITERS),
    ):
        if given:
            raise ConfigError(f"--each {args.each}: every design of this folder is a query; {what} cannot be given too")
    if not args.out:
        raise ConfigError(f"--each {args.each}: say where the reports are written, by --out REPORTS")
    if os.path.lexists(args.out) and (not os.path.isdir(args.out) or os.listdir(args.out)):
        raise DataError(f"--out {args.out}: is there already, and nothing is overwritten; choose a new folder")
    paths, skipped = find_drawings(args.each, [args.out], None if cfg.DATASETS.FOLLOW_LINKS else args.each)
    refuse_outside(skipped, args.each)
    if not paths:
        raise DataError(f"--each {args.each}: there is no image in this folder{count_skipped(skipped)}")
    report_skipped(skipped, args.each)
    designs: defaultdict[str, list[View]] = defaultdict(list)
    for path in paths:
        if _can_be_read(os.path.join(args.each, path), cfg.INPUT.MAX_PIXELS):
            designs[design_of(path)].append(View(os.path.join(args.each, path), mirror=args.mirror))
    if not designs:
        raise DataError(f"--each {args.each}: no image in this folder can be read")
    out, results = Path(args.out), []
    names = sorted(designs)
    for start in range(0, len(names), TOGETHER):
        part = names[start : start + TOGETHER]
        for name, result in zip(part, _search(index, args, [designs[name] for name in part], networks)):
            _show(index, name, result)
            make_folder(out, "--out")
            stem = f"{len(results) + 1:04d}-{UNSAFE.sub('_', name)[:80]}"
            write_result_csv(out / f"{stem}.csv", index, [(name, result)])
            write_result_page(out / f"{stem}.html", index, name, result)
            results.append((name, result))
    write_result_csv(out / "all.csv", index, results)
    logger.info(f"written: {len(results)} reports in {args.out}")
    return 0


def _can_be_read(path: str, most: int) -> bool:
    try:
        open_drawing(path, most=most)
    except DataError as error:
        logger.warning(f"{error}; it is skipped")
        return False
    return True
