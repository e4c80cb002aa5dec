"""`fastpatent compare RUN_A RUN_B`: what the second changes against the first, on the same queries."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from yacs.config import CfgNode

from fastpatent import log
from fastpatent.commands.options import Parser, add_download_option
from fastpatent.config import load_config_in_use
from fastpatent.config.default_network import WEIGHTS
from fastpatent.config.in_use import CONFIG
from fastpatent.config.keys import KEYS
from fastpatent.data.load_datasets import load_test_sets
from fastpatent.data.records import Splits, names_below
from fastpatent.device import set_up_device
from fastpatent.downloads import allow_downloads
from fastpatent.engine.run_record import FINISHED, read_run
from fastpatent.errors import ConfigError
from fastpatent.evaluation.comparison import compare_evaluations, shared_queries
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.files import make_folder
from fastpatent.report.comparison import check_comparison, comparison_table, sentences, systems, write_comparison

USAGE = "fastpatent compare RUN_A RUN_B [--test-set NAME] [--out FOLDER] [KEY VALUE]..."
logger = logging.getLogger(__name__)


class Side(NamedTuple):
    """One of the two: its name for people, where it comes from, and its configuration."""

    name: str
    source: str
    cfg: CfgNode


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, evaluate both, compare and write; return the exit status."""
    args = _parsed(sys.argv[2:] if argv is None else list(argv))
    allow_downloads(args.allow_downloads)
    sides = [_side(run, args.opts) for run in args.runs]
    _set_test_set(sides[0].cfg, sides[1].cfg, args.test_set)
    pipelines = [Pipeline(side.cfg, set_up_device(side.cfg).device) for side in sides]
    sets = [load_test_sets(side.cfg, texts=of.measures_texts)[0] for side, of in zip(sides, pipelines)]
    _shared(sides, sets)  # before anything is written or extracted
    folder = make_folder(args.out or f"compare_{'_'.join(side.name for side in sides)}"[:200], "--out")
    check_comparison(folder)
    log.start(folder)
    results = [of.evaluate(splits, every=False, tolerant=True) for of, splits in zip(pipelines, sets)]
    a, b = (result.evaluations[-1] for result in results if result)
    rows = _shared(sides, [a.splits, b.splits])
    if len(rows[0]) < max(len(a.splits.query), len(b.splits.query)):
        logger.warning(f"compared on the {len(rows[0]):,} queries that both test sets have")
    cfg = sides[0].cfg
    found = compare_evaluations(a, b, rows, cfg.BENCHMARK.RESAMPLES, cfg.SEED)
    named = [(side.name, side.source) for side in sides]
    for shown in (*systems(found, named), comparison_table(found), *sentences(found)):
        logger.info(shown)
    written = write_comparison(found, named, cfg.DATASETS.ROOT, folder)
    logger.info("written: " + ", ".join(map(str, written)))
    return 0


def _parsed(words: list[str]) -> argparse.Namespace:
    """Parse the words of a command line, in which the runs may stand before the options or after them."""
    parser = Parser(
        prog="fastpatent compare",
        usage=USAGE,
        description="Compare two systems on the same queries, B against A. Each is the folder of a training or a "
        "configuration file. Features that earlier tests have cached are used.",
    )
    parser.add_argument(
        "--test-set", metavar="NAME", help="the data set (default: the first of DATASETS.TESTS that both have)"
    )
    parser.add_argument("--out", metavar="FOLDER", help="for page and table (default compare_A_B in the working directory)")
    add_download_option(parser)
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="the two, and KEY VALUE pairs that override both")
    options = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    args = parser.parse_args(words[options:])
    given = [*words[:options], *args.opts]
    args.runs, args.opts = given[:2], given[2:]
    if len(args.runs) < 2:
        raise ConfigError(f"name the two to compare: {USAGE}")
    return args


def _side(run: str, overrides: Sequence[str]) -> Side:
    """Return a system by the folder of its training, whose OUTPUT_DIR it then is, or by its configuration file."""
    is_folder = os.path.isdir(run)
    file = os.path.join(run, CONFIG) if is_folder else run
    if is_folder and (found := read_run(run)).state != FINISHED:
        reason = f" ({found.reason})" if found.reason else ""
        logger.warning(f"{run}: the training is {found.state}{reason}; the weights are those that it has so far")
    cfg = load_config_in_use(file, overrides).clone()
    cfg.defrost()
    if is_folder:
        cfg.OUTPUT_DIR = run
    path = Path(os.path.abspath(file))
    return Side(path.parent.name if path.name == CONFIG else path.stem, run, cfg)


def _set_test_set(a: CfgNode, b: CfgNode, name: str | None) -> None:
    """Have both test one data set: that of a name, else the first that both have, else the first of each.

    A descriptor, or the network in the box, that names no DATASETS.ROOT is tested on the data of the other.
    """
    for own, other in ((a, b), (b, a)):
        if _has_no_data(own) and not _has_no_data(other):
            own.DATASETS = other.DATASETS.clone()
    names = [name] if name else [test for test in a.DATASETS.TESTS if test in b.DATASETS.TESTS]
    for cfg in (a, b):
        cfg.DATASETS.TESTS = (names or cfg.DATASETS.TESTS)[:1]
        cfg.freeze()


def _has_no_data(cfg: CfgNode) -> bool:
    is_for_any_data = cfg.DESCRIPTOR.NAME or cfg.MODEL.WEIGHTS == WEIGHTS
    return bool(is_for_any_data) and cfg.DATASETS.ROOT == KEYS["DATASETS.ROOT"].default


def _shared(sides: Sequence[Side], sets: Sequence[Splits]) -> tuple[np.ndarray, np.ndarray]:
    roots = [side.cfg.DATASETS.ROOT for side in sides]
    a, b = ([names_below(root, part) for part in (of.query, of.gallery)] for root, of in zip(roots, sets))
    return shared_queries(sets[0], a, sets[1], b)
