"""`fastpatent find --text`: the images of a test set that are nearest to a text, an image, or both together."""

import argparse
import logging
from collections.abc import Sequence
from itertools import compress
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from yacs.config import CfgNode

from fastpatent import log
from fastpatent.data.load_datasets import load_test_sets
from fastpatent.data.records import Sample, Splits, names_below
from fastpatent.device import set_up_device
from fastpatent.evaluation.combined import combine
from fastpatent.evaluation.pipeline import Pipeline, are_readable
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.files import check_output
from fastpatent.report.gallery import gallery_picture
from fastpatent.report.picture import is_our_png, write_png
from fastpatent.retrieval.ranking import Ranking, rank
from fastpatent.text import one_line

SHOWN = 10
SHORT = 60  # letters of a text in the table
logger = logging.getLogger(__name__)


def find(args: argparse.Namespace, cfg: CfgNode) -> int:
    """Rank DATASETS.TESTS and show; return the exit status."""
    log.start(cfg.OUTPUT_DIR)
    found_in = (args.output, "--output") if args.output else (Path(cfg.OUTPUT_DIR) / "found.png", "OUTPUT_DIR")
    output = check_output(*found_in, is_our_png)
    device = set_up_device(cfg).device
    pipeline = Pipeline(cfg, device)
    # First: a network that reads no text needs no data to say so.
    query = _query(pipeline, args.image, args.text, args.weight)
    splits = load_test_sets(cfg, texts=pipeline.measures_texts)[0]
    drawings = [*splits.query, *splits.gallery]
    broken: dict[str, str] = {}
    features = pipeline.features(Splits(splits.name, [], [], drawings), broken=broken)[-1]  # without TEST.TEXT_WEIGHT
    if broken:
        readable = are_readable(drawings, broken)
        features, drawings = features._replace(gallery=features.gallery[readable]), list(compress(drawings, readable))
        logger.warning(f"{len(broken)} of the images cannot be read and are not found")
    asked = Sample(args.image, None, caption=args.text)
    every = Splits(splits.name, [], [asked], drawings)
    found = rank(query, features.gallery, SHOWN, metric=features.metric, device=device)
    logger.info(_table(found, every.gallery, cfg.DATASETS.ROOT))
    shown = Evaluation("", every, found.indices, None, scores=found.scores)
    write_png(output, gallery_picture(shown, [0], SHOWN))
    logger.info(f"written: {output}")
    return 0


def _query(pipeline: Pipeline, image: str, text: str, weight: float) -> np.ndarray:
    """Return the feature of a query, float32 [1, dim]."""
    sides = []
    if image:
        found = pipeline.embed_images([Sample(image, None)], image)
        assert found is not None, "one process embeds everything"
        sides.append(found)
    if text:
        sides.append(pipeline.embed_texts([text], "the query"))
    return sides[0] if len(sides) == 1 else combine(sides[0], sides[1], weight)


def _table(found: Ranking, drawings: Sequence[Sample], root: str) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("score", justify="right")
    table.add_column("image")
    table.add_column("its text")
    samples = [drawings[row] for row in found.indices[0]]
    for place, (score, name, sample) in enumerate(zip(found.scores[0], names_below(root, samples), samples), 1):
        table.add_row(str(place), f"{score:.3f}", name, one_line(sample.caption or "", SHORT))
    return table
