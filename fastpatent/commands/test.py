"""`fastpatent test` and tools/test.py: rank a test set with a trained network, or with several, and write the submission."""

from functools import cache
from pathlib import Path

import torch

from fastpatent.commands.options import config_parser, load_from
from fastpatent.commands.parts import load_test_sets, load_trained
from fastpatent.descriptors import DESCRIPTORS, describe_drawings
from fastpatent.engine.device import choose_device, extraction_precision
from fastpatent.engine.log import RunLog
from fastpatent.engine.progress import ProgressLine
from fastpatent.evaluation.cache import cached_features
from fastpatent.evaluation.ensemble import member_systems, read_members, with_ensemble
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
    torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK
    members = read_members(cfg)
    test_sets = load_test_sets(cfg, log)
    precisions = ", ".join(dict.fromkeys(member.cfg.TEST.PRECISION for member in members))
    log.say(f"device {device.device} ({device.reason}), precision {precisions}")
    described = [_describe(member, test_sets, device.device, log) for member in members]

    rows, written = [], []
    for number, (splits, *systems) in enumerate(zip(test_sets, *described)):
        *others, (system, features) = with_ensemble(members, systems)
        for name, of_other in others:
            rows.append((name, rank_features(name, of_other, splits, cfg.TEST.METRIC, device=device.device)))
        for name, processing in processings(cfg, system):
            evaluation = rank_features(name, features, splits, cfg.TEST.METRIC, **processing, device=device.device)
            rows.append((name, evaluation))
        for name, descriptor in descriptors.items():
            drawings = [*splits.query, *splits.gallery]
            classic = _with_progress(
                log, name, splits, lambda update: describe_drawings(descriptor, drawings, None, 0, update)
            )
            rows.append((f"{name} + {descriptor.metric}", rank_features(name, classic, splits, descriptor.metric)))
        if number == 0:
            written += _submit(evaluation, log)
        written += write_gallery(evaluation, Path(cfg.OUTPUT_DIR) / f"gallery_{splits.name}")
    log.say(metrics_table(rows))
    log.say("written: " + ", ".join(map(str, written)))
    return 0


def _describe(member, test_sets, device, log):
    """Return the `member_systems` of the test sets; the network is loaded where features are not kept, and let go after."""
    cfg, precision = member.cfg, extraction_precision(member.cfg.TEST.PRECISION)
    network = cache(lambda: load_trained(cfg, device, log))

    def extract(splits):
        model = network()
        return _with_progress(
            log, "extracting", splits, lambda update: split_features(cfg, model, splits, device, precision, update, log.say)
        )

    return member_systems(
        member, test_sets, lambda splits: cached_features(cfg, splits, device, lambda: extract(splits), log.say)
    )


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
