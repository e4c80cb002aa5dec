"""`fastpatent classify`: classify images, zero-shot by the names of the classes and by classifiers on frozen features."""

import logging
from collections.abc import Sequence

import numpy as np
from yacs.config import CfgNode

from fastpatent import log
from fastpatent.commands.options import config_parser, load_in_use_from
from fastpatent.data.load_datasets import load_test_set, load_test_sets, load_training_set
from fastpatent.data.records import Splits
from fastpatent.device import set_up_device
from fastpatent.evaluation.classification import Labelled
from fastpatent.evaluation.classifiers import CLASSIFIERS, compare_classifiers, side_by_side
from fastpatent.evaluation.design_classes import class_title
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.evaluation.probe import linear_probe
from fastpatent.evaluation.zero_shot import class_features, classify, prompts
from fastpatent.progress import ProgressLine
from fastpatent.report.classification import class_table, classification_table

TEXTS = ("title", "caption")  # joined with the image, where the data set has them, as in the IMPACT paper
logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, classify and show; return the exit status."""
    parser = config_parser(
        "fastpatent classify", "Classify the images of DATASETS.TESTS, trained on those of DATASETS.NAMES."
    )
    cfg = load_in_use_from(parser.parse_args(argv))
    log.start(cfg.OUTPUT_DIR)
    device = set_up_device(cfg).device
    pipeline = Pipeline(cfg, device)
    trained = Splits(f"{'-'.join(cfg.DATASETS.NAMES)}-training", [], [], load_training_set(cfg))
    tested = load_test_sets(cfg, texts=pipeline.measures_texts)[0]
    sides = [_Side(pipeline, splits) for splits in (trained, tested)]
    train, test = (side.labelled(side.features) for side in sides)
    resamples, seed = cfg.BENCHMARK.RESAMPLES, cfg.SEED
    rows = [("linear probe on drawings", linear_probe(train, test, resamples=resamples, seed=seed, device=device))]
    if pipeline.reads_texts:
        names = sorted({*train.labels, *test.labels})
        nearest = class_features(pipeline.embed_texts(prompts([class_title(name) for name in names]), "the classes"))
        found = classify(test, nearest, names, resamples, seed, device)
        rows.insert(0, ("zero-shot, by the names of the classes", found))
        train, test = (side.labelled(rows) for side, rows in zip(sides, _joined(cfg, sides, pipeline)))
    with ProgressLine("classifiers", len(CLASSIFIERS)) as line:
        found = compare_classifiers(train, test, resamples=resamples, seed=seed, on_done=line.update)
    what = "drawings and texts" if pipeline.reads_texts else "drawings"
    rows += [(f"{name} on {what}", result) for name, result in found.items()]
    logger.info(classification_table(rows))
    best, result = max(rows, key=lambda row: row[1].accuracy.mean)
    logger.info(f"classes by the {best}:")
    logger.info(class_table(result))
    return 0


class _Side:
    """The images of a data set that have a class, and their features, float32 [images, dim]."""

    def __init__(self, pipeline: Pipeline, splits: Splits) -> None:
        drawings = [*splits.query, *splits.gallery]
        rows = [row for row, sample in enumerate(drawings) if sample.category]
        if len(rows) < len(drawings):
            logger.info(
                f"{splits.name}: {len(drawings) - len(rows)} of {len(drawings)} images have no class and are skipped"
            )
        self.name = splits.name
        self.drawings = [drawings[row] for row in rows]
        features = pipeline.features(Splits(splits.name, [], [], drawings))[-1]  # without captions of TEST.TEXT_WEIGHT
        self.features = features.gallery[rows]

    def labelled(self, features: np.ndarray) -> Labelled:
        """Return these images with some features as Labelled."""
        categories = [sample.category or "" for sample in self.drawings]
        return Labelled(features, categories, [sample.identity for sample in self.drawings])


def _joined(cfg: CfgNode, sides: Sequence[_Side], pipeline: Pipeline) -> list[np.ndarray]:
    """Return the features of images joined with those of titles and captions, where the data sets have both.

    Returns:
        for each `_Side` float32 [images, dim]; zeros where an image has no such text, which is logged.
    """
    by_kind = {kind: _texts(cfg, kind) for kind in TEXTS}
    if by_kind["title"] == by_kind["caption"]:
        del by_kind["caption"]
    joined = []
    for side in sides:
        parts: dict[str, tuple[Sequence[int] | np.ndarray, np.ndarray]] = {}
        parts["drawing"] = range(len(side.drawings)), side.features
        for kind, by_path in by_kind.items():
            rows = [row for row, sample in enumerate(side.drawings) if by_path.get(sample.path)]
            texts = [by_path[side.drawings[row].path] for row in rows]
            empty = np.zeros((0, side.features.shape[1]), np.float32)
            parts[kind] = rows, pipeline.embed_texts(texts, f"{kind}s of {side.name}") if rows else empty
        features, without = side_by_side(len(side.drawings), parts)
        for kind, count in without.items():
            if count:
                logger.info(f"{side.name}: {count} images have no {kind}")
        joined.append(features)
    return joined


def _texts(cfg: CfgNode, kind: str) -> dict[str, str]:
    """Return {path: text of one kind} of the training images and the first test set; without those that have none."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DATASETS.CAPTIONS.TEXT = kind
    test = load_test_set(cfg, cfg.DATASETS.TESTS[0])
    samples = *load_training_set(cfg), *test.query, *test.gallery
    return {sample.path: sample.caption for sample in samples if sample.caption}
