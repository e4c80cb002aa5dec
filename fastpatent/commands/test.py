"""`fastpatent test` and tools/test.py: rank and measure data sets with one trained network or several."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from yacs.config import CfgNode

from fastpatent import log
from fastpatent.commands.options import config_parser, load_in_use_from
from fastpatent.data.load_datasets import load_test_sets
from fastpatent.data.records import Splits
from fastpatent.descriptors import DESCRIPTORS
from fastpatent.device import set_up_device
from fastpatent.errors import missing_extra
from fastpatent.evaluation.pipeline import Pipeline, SetResult
from fastpatent.evaluation.results import check_results, write_results
from fastpatent.evaluation.retrieval import Evaluation
from fastpatent.evaluation.submission import ARRAY, COLUMNS, check_submission, write_submission
from fastpatent.report.gallery import check_gallery, write_gallery
from fastpatent.report.tables import metrics_table
from fastpatent.report.text_image import text_image_table

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, rank and write; return the exit status."""
    parser = config_parser("fastpatent test", "Rank every test set of a configuration with a trained network.")
    parser.add_argument("--eval-only", action="store_true", help="accepted for habit: this command never trains")
    parser.add_argument(
        "--compare", metavar="NAME,NAME", help=f"descriptors in place of TEST.COMPARE: {', '.join(DESCRIPTORS.names())}"
    )
    args = parser.parse_args(argv)
    cfg = load_in_use_from(args)
    log.start(cfg.OUTPUT_DIR)
    device = set_up_device(cfg)
    pipeline = Pipeline(cfg, device.device)
    names = cfg.TEST.COMPARE if args.compare is None else filter(None, args.compare.split(","))
    compared = [_descriptor(cfg, name, device.device) for name in names]
    test_sets = load_test_sets(cfg, texts=pipeline.measures_texts)
    places = _places(test_sets[0], Path(cfg.OUTPUT_DIR))
    for place in places:
        check_submission(place)
    for splits in test_sets:
        check_gallery(_gallery(cfg, splits))
    check_results(cfg.OUTPUT_DIR)
    members = [member for member in pipeline.members if not member.cfg.DESCRIPTOR.NAME]
    if members:
        precisions = dict.fromkeys(member.cfg.TEST.PRECISION for member in members)
        logger.info(f"device {device.device} ({device.reason}), precision {', '.join(precisions)}")

    own: list[SetResult] = []
    results: list[SetResult] = []
    written: list[Path] = []
    for splits in test_sets:
        of_set = [_evaluate(pipeline, splits), *(_evaluate(system, splits, bool(args.compare)) for system in compared)]
        of_set = [found for found in of_set if found]
        last = of_set[0].evaluations[-1]
        if not results:
            written += _submit(last, places, of_set[0].unreadable)
        written += write_gallery(last, _gallery(cfg, splits))
        own.append(of_set[0])
        results += of_set
        _warn_of_better(*of_set)
    report_results(results)
    written.append(write_results(cfg, own, results))
    logger.info("written: " + ", ".join(map(str, written)))
    return 0


def _evaluate(system: Pipeline, splits: Splits, asked: bool = True) -> SetResult | None:
    """Evaluate a system; one that only the configuration compares with is skipped where its package is not installed."""
    try:
        return system.evaluate(splits, tolerant=True)
    except ModuleNotFoundError as error:
        if asked or not (sentence := missing_extra(error)):
            raise
        logger.warning(f"TEST.COMPARE: {system.members[0].name} is skipped: {sentence}")
        return None


def _warn_of_better(network: SetResult, *descriptors: SetResult) -> None:
    """Warn where a descriptor, which has learned nothing of the data, is as good as the network."""
    reached = network.summary.get("mAP", 1.0)
    for result in descriptors:
        if (by := result.summary.get("mAP", 0.0)) >= reached:
            logger.warning(
                f"{network.splits.name}: {result.evaluations[-1].name}, which needs no training, has mAP {by:.4f} and the "
                f"network {reached:.4f}; train it longer or on more designs"
            )


def report_results(results: Sequence[SetResult]) -> None:
    """Log one table of the metrics of images, and one for each data set whose texts were measured."""
    logger.info(metrics_table([(of.name, of) for result in results for of in result.evaluations]))
    for result in results:
        if result.texts:
            logger.info(f"{result.splits.name}: images and their texts")
            logger.info(text_image_table(result.texts))


def _descriptor(cfg: CfgNode, name: str, device: torch.device) -> Pipeline:
    """Return the Pipeline of a descriptor that is measured beside the network, on the same data, in its OUTPUT_DIR."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DESCRIPTOR.NAME, cfg.OUTPUT_DIR, cfg.MODEL.WEIGHTS = name, str(Path(cfg.OUTPUT_DIR) / name), ""
    cfg.TEST.AQE.ENABLED = cfg.TEST.RERANK.ENABLED = cfg.TEST.WHITENING.ENABLED = False
    cfg.TEST.ENSEMBLE.CONFIGS, cfg.TEST.TEXT_WEIGHT = [], 0.0
    cfg.freeze()
    return Pipeline(cfg, device, name=f"{name} + {DESCRIPTORS.get(name).metric}")


def _gallery(cfg: CfgNode, splits: Splits) -> Path:
    return Path(cfg.OUTPUT_DIR) / f"gallery_{splits.name}"


def _places(splits: Splits, folder: Path) -> list[Path]:
    """Return the folders that a submission goes to.

    OUTPUT_DIR, and the working directory too, as published, where its numbers are lines of the challenge's lists. A test of
    other images does not replace what lies there, nowhere.
    """
    if splits.listed:
        return [folder] if folder.resolve() == Path.cwd() else [folder, Path()]
    return [] if folder.resolve() == Path.cwd() and (folder / ARRAY).exists() else [folder]


def _submit(evaluation: Evaluation, places: Sequence[Path], unreadable: int) -> list[Path]:
    """Write the submission of the first test set into some folders; why there is none is logged, not an error."""
    if unreadable:
        logger.warning(f"no submission: {unreadable} of its images cannot be read, so it would lack rows or numbers of rows")
        return []
    if evaluation.ranking.shape[1] < COLUMNS:
        logger.info(f"no submission: it has {COLUMNS} columns, the gallery only {evaluation.ranking.shape[1]} images")
        return []
    if not places:
        logger.warning(f"no submission of {evaluation.splits.name}: the {ARRAY} that is here may be the challenge's")
    return [path for place in places for path in write_submission(evaluation.ranking, place)]
