"""`fastpatent find DRAWING... --in FOLDER`: the designs of a folder that are nearest to drawings."""

import argparse
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from yacs.config import CfgNode

from fastpatent import log
from fastpatent.data.confinement import refuse_outside
from fastpatent.data.image import open_drawing
from fastpatent.data.image_files import count_skipped, find_drawings, own_folders
from fastpatent.data.load_datasets import report_skipped
from fastpatent.data.records import Sample, Splits
from fastpatent.data.workers import worker_count
from fastpatent.device import set_up_device
from fastpatent.errors import ConfigError, DataError
from fastpatent.evaluation.cache_key import feature_origin, origin_key
from fastpatent.evaluation.combined import combine
from fastpatent.evaluation.design_search import DesignIndex, Found, design_of
from fastpatent.evaluation.drawing_store import DrawingStore, cache_folder, current_features
from fastpatent.files import check_new
from fastpatent.report.found import answers_table, write_answers_csv, write_answers_json, write_answers_page

PAGE = "found"
logger = logging.getLogger(__name__)


class Query(NamedTuple):
    """A name, and the absolute paths of the views of one design."""

    name: str
    views: list[str]


def find(args: argparse.Namespace, cfg: CfgNode) -> int:
    """Search, show and write; return the exit status."""
    log.start()
    for option in ("csv", "json", "page"):
        if path := getattr(args, option):
            check_new(path, f"--{option}")
    check_new(args.page or _free_page(), "--page")
    queries, drawings = _queries(cfg, args), _drawings(cfg, args.folder, f"--in {args.folder}")
    if len(drawings) == 1:
        raise DataError(f"--in {args.folder}: there is only one image in this folder; a search needs two or more")

    @cache
    def pipeline():
        from fastpatent.evaluation.pipeline import Pipeline  # takes two seconds

        return Pipeline(_tolerant(cfg), set_up_device(cfg).device)

    def extract(paths: list[str], broken: dict[str, str]) -> np.ndarray:
        features = pipeline().embed_images([Sample(path, None) for path in paths], args.folder, broken)
        assert features is not None, "one process extracts everything"
        return features

    text = pipeline().embed_texts([args.text], "the query") if args.text else None
    views = [view for query in queries for view in query.views]
    features = _features(cfg, args, [sample.path for sample in drawings], views, extract)
    if not os.path.isdir(args.drawings[0] if args.drawings else "") and not features.keys() >= {*views}:
        raise DataError(f"{next(view for view in views if view not in features)}: this drawing of the query cannot be read")
    drawings = [sample for sample in drawings if sample.path in features]
    if not drawings:
        raise DataError(f"--in {args.folder}: no image in this folder can be read")
    index = DesignIndex(drawings, np.stack([features[sample.path] for sample in drawings]))
    searched = f"{args.folder}: {len(drawings)} drawings of {len(index.names)} designs"
    logger.info(f"{searched}, all searched")
    results = _search(index, drawings, queries, features, text, args)
    for found in results:
        logger.info(f"query: {found.query}")
        logger.info(answers_table(found))
    if args.csv:
        write_answers_csv(args.csv, results)
    if args.json:
        write_answers_json(args.json, results, args.folder, len(drawings), len(index.names))
    page = args.page or _free_page()
    write_answers_page(page, results, searched, worker_count(cfg.DATALOADER.NUM_WORKERS)[0])
    logger.info(f"written: {', '.join(filter(None, [args.csv, args.json, str(page)]))}")
    return 0


def _search(
    index: DesignIndex,
    drawings: Sequence[Sample],
    queries: Sequence[Query],
    features: dict[str, np.ndarray],
    text: np.ndarray | None,
    args: argparse.Namespace,
) -> list[Found]:
    rows: defaultdict[Hashable, list[int]] = defaultdict(list)
    for row, sample in enumerate(drawings):
        rows[_file(sample.path)].append(row)
    results = []
    for name, paths in queries:
        views = [path for path in paths if path in features]
        asked = np.stack([features[view] for view in views]) if views else text
        if asked is None:
            logger.warning(f"query {name}: cannot be read, and is skipped")
            continue
        if views and text is not None:
            asked = combine(asked, text.repeat(len(views), axis=0), args.weight)
        own = [row for view in views for row in rows.get(_file(view), ())]
        results.append(Found(name, views, index.search(asked, args.top, own, compared=text is None)))
    if not results:
        raise DataError(f"{args.drawings[0]}: no drawing in this folder can be read")
    return results


def _features(
    cfg: CfgNode,
    args: argparse.Namespace,
    drawings: Sequence[str],
    views: Sequence[str],
    extract: Callable[[list[str], dict[str, str]], np.ndarray],
) -> dict[str, np.ndarray]:
    """Return {path: feature} of drawings and views; those that cannot be read are missing."""
    stores = None
    if cfg.TEST.CACHE_FEATURES and not cfg.TEST.ENSEMBLE.CONFIGS and not cfg.TEST.WHITENING.ENABLED:
        try:
            key = origin_key(feature_origin(cfg, Splits("", [], [], []), set_up_device(cfg).device))
            place = args.cache or cache_folder()
            stores = DrawingStore(place, os.path.realpath(args.folder), key), DrawingStore(place, "queries", key)
        except OSError:
            pass  # the error of a network whose weights cannot be read is better
    return current_features(drawings, views, extract, stores)


def _queries(cfg: CfgNode, args: argparse.Namespace) -> list[Query]:
    paths = args.drawings
    folders = [path for path in paths if os.path.isdir(path)]
    if folders and len(paths) > 1:
        raise ConfigError(
            f"{folders[0]}: is a folder; name one folder of queries, or drawings, which are views of one design"
        )
    if folders:
        designs: defaultdict[str, list[str]] = defaultdict(list)
        for sample in _drawings(cfg, folders[0], folders[0]):
            designs[str(sample.identity)].append(sample.path)
        return [Query(*design) for design in sorted(designs.items())]
    for path in paths:
        open_drawing(path, most=cfg.INPUT.MAX_PIXELS)  # before a folder is read
    return [Query(", ".join([*paths, *([f'"{args.text}"'] if args.text else [])]), list(map(os.path.abspath, paths)))]


def _drawings(cfg: CfgNode, folder: str, name: str) -> list[Sample]:
    """Return the drawings below a folder, of any depth, with the names of their designs as identities."""
    paths, skipped = find_drawings(folder, own_folders(cfg), None if cfg.DATASETS.FOLLOW_LINKS else folder)
    refuse_outside(skipped, name)
    if not paths:
        raise DataError(f"{name}: there is no image in this folder{count_skipped(skipped)}")
    report_skipped(skipped, folder)
    root = os.path.abspath(folder)
    return [Sample(os.path.join(root, path), design_of(path)) for path in paths]


def _tolerant(cfg: CfgNode) -> CfgNode:
    """Return a configuration in which any number of images may be unreadable."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DATALOADER.MAX_BROKEN = 1.0
    cfg.freeze()
    return cfg


def _file(path: str) -> Hashable:
    """Return what identifies a file, by whatever path or link it is reached; its path where it is gone."""
    try:
        state = os.stat(path)
    except OSError:
        return path
    return state.st_dev, state.st_ino


def _free_page() -> Path:
    """Return the first of found.html, found-2.html, ... in the working directory that is free."""
    names = (Path(f"{PAGE}-{number}.html" if number > 1 else f"{PAGE}.html") for number in count(1))
    return next(path for path in names if not os.path.lexists(path))
