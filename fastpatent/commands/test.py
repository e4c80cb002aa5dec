"""`fastpatent test` and tools/test.py: rank a test set with a trained network and write the submission."""

from functools import cache, partial
from pathlib import Path

import torch

from fastpatent.commands.options import config_parser, load_from
from fastpatent.commands.parts import load_test_sets, load_trained
from fastpatent.descriptors import DESCRIPTORS, describe_drawings
from fastpatent.engine.device import choose_device, extraction_precision
from fastpatent.engine.log import RunLog
from fastpatent.engine.progress import ProgressLine
from fastpatent.evaluation.cache import cached_features
from fastpatent.evaluation.retrieval import processings, rank_features, split_features
from fastpatent.evaluation.submission import COLUMNS, write_submission
from fastpatent.report.gallery import write_gallery
from fastpatent.report.tables import metrics_table


def main(argv=None):
    """Parse the command line, rank and write; return the exit status."""
    parser = config_parser("fastpatent test", "Rank every test set of a configuration with a trained network.")
    parser.add_argument("--eval-only", action="store_true", help="accepted for habit: this command never trains")
    parser.add_argument(
        "--compare", default="", metavar="NAME,NAME", help=f"also measure descriptors: {', '.join(DESCRIPTORS.names())}"
    )
    args = parser.parse_args(argv)
    cfg = load_from(args)
    descriptors = {name: DESCRIPTORS.get(name) for name in filter(None, args.compare.split(","))}
    log = RunLog(cfg.OUTPUT_DIR)
    device = choose_device(cfg.MODEL.DEVICE)
    precision = extraction_precision(cfg.TEST.PRECISION)
    torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK
    test_sets = load_test_sets(cfg, log)
    log.say(f"device {device.device} ({device.reason}), precision {cfg.TEST.PRECISION}")
    network = cache(lambda: load_trained(cfg, device.device, log))  # kept features need none

    def extract(splits):
        settings = cfg, network(), splits, device.device, precision
        return _with_progress(log, "extracting", splits, lambda update: split_features(*settings, update, log.say))

    rows, written = [], []
    for number, splits in enumerate(test_sets):
        features = cached_features(cfg, splits, device.device, partial(extract, splits), log.say)
        for name, processing in processings(cfg):
            evaluation = rank_features(name, features, splits, cfg.TEST.METRIC, **processing, device=device.device)
            rows.append((name, evaluation))
        for name, descriptor in descriptors.items():
            described = _with_progress(log, name, splits, lambda update: describe_drawings(descriptor, splits, update))
            rows.append((f"{name} + cosine", rank_features(name, described, splits)))
        if number == 0:
            written += _submit(evaluation, log)
        written += write_gallery(evaluation, Path(cfg.OUTPUT_DIR) / f"gallery_{splits.name}")
    log.say(metrics_table(rows))
    log.say("written: " + ", ".join(map(str, written)))
    return 0


def _with_progress(log, what, splits, work):
    drawings = len(splits.query) + len(splits.gallery)
    with ProgressLine(f"{what} {splits.name}", drawings, log) as line:
        return work(line.update)


def _submit(evaluation, log):
    """Write the submission of the first test set; a database too small for one is said, not fatal."""
    if evaluation.ranking.shape[1] < COLUMNS:
        log.say(f"no submission: it has {COLUMNS} columns, the database only {evaluation.ranking.shape[1]} drawings")
        return []
    return list(write_submission(evaluation.ranking))
