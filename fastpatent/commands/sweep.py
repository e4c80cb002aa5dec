"""`fastpatent sweep`: try values of keys, by training or, of a trained network, by ranking; write which are best."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from yacs.config import CfgNode

from fastpatent import log
from fastpatent.commands.options import config_parser, load_from, load_in_use_from
from fastpatent.config.by_name import find_file
from fastpatent.config.keys.evaluation import AUTO
from fastpatent.data.load_datasets import load_test_sets
from fastpatent.device import set_up_device
from fastpatent.errors import ConfigError, DataError
from fastpatent.evaluation.pipeline import best_metric
from fastpatent.models import build_model, build_tokenizer, with_classes
from fastpatent.models.trained import refuse_descriptor
from fastpatent.registry import METRICS
from fastpatent.retrieval.metrics import mean_of
from fastpatent.tuning import sweep
from fastpatent.tuning.page import Report
from fastpatent.tuning.ranking import Rankings
from fastpatent.tuning.space import MOST, Space, check_effects, read_space, value_of
from fastpatent.tuning.study import SAMPLERS, Study, identity_of
from fastpatent.tuning.trial import Base

TRIALS = 20  # where --trials does not say, but for a grid
logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, run the trials and report; return the exit status."""
    args = _parser().parse_args(argv)
    if args.trials < 0 or args.seeds < 0 or args.best < 1:
        raise ConfigError("--trials, --seeds and --best take whole numbers, --best of 1 or more")
    if not args.config_file:
        raise ConfigError("give the configuration that varies: --config-file F; that of the network in the box is default")
    space = read_space(args.space)
    cfg = load_in_use_from(args) if space.only_ranks else load_from(args)
    check_effects(space, cfg)
    if not space.only_ranks:
        refuse_descriptor(cfg)
    elif args.seeds:
        raise ConfigError("--seeds: nothing is random in a space of keys that only rank")
    folder = Path(args.out or Path(cfg.OUTPUT_DIR) / "sweep")
    base = _base(args, cfg, space)
    identity = identity_of(cfg, space, args.sampler)
    most = args.trials or (MOST if args.sampler == "grid" else TRIALS)
    study = Study(folder, space, base.formula, args.sampler, cfg.SEED, most, identity, space.point_of(cfg))
    report = Report(study, base)
    log.start(folder)
    logger.info(f"sweep of {', '.join(space.keys)} in {folder}, by {base.metric} on {base.test_set}")
    try:
        if space.only_ranks:
            sweep.rank(study, Rankings(cfg, base.metric, folder / "features", set_up_device(cfg).device), report.changed)
        else:
            _train(args, base, study, report)
    finally:
        report.write()
    _end(study, report)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = config_parser("fastpatent sweep", "Try values of keys and write which are best.")
    parser.add_argument("--space", metavar="S", required=True, help="YAML file of KEY: [a, b] or {low, high, log, step}")
    parser.add_argument("--trials", metavar="N", type=int, default=0, help=f"in all; {TRIALS} where not given, a grid whole")
    parser.add_argument("--sampler", choices=SAMPLERS, default="tpe", help="how values are chosen; tpe where not given")
    parser.add_argument("--out", metavar="DIR", help="folder of the sweep; OUTPUT_DIR/sweep where not given")
    parser.add_argument("--seeds", metavar="N", type=int, default=0, help="train the best few with N other seeds at the end")
    parser.add_argument("--best", metavar="N", type=int, default=3, help="how many are the best few; 3 where not given")
    return parser


def _base(args: argparse.Namespace, cfg: CfgNode, space: Space) -> Base:
    """Return what all trials share; ConfigError and DataError where the configuration or its test set cannot be used."""
    settings = {key: value_of(cfg, key) for key in args.opts[::2]}
    if space.only_ranks:
        metric = "mAP" if cfg.TEST.BEST_METRIC == [AUTO] else mean_of(cfg.TEST.BEST_METRIC)
        test_set = next(iter(cfg.DATASETS.TESTS), "")
        if cfg.MODEL.WEIGHTS:
            settings["MODEL.WEIGHTS"] = str(Path(cfg.MODEL.WEIGHTS).absolute())
    else:
        test_sets = load_test_sets(cfg, texts=build_tokenizer(cfg) is not None)
        metric, test_set = best_metric(cfg, build_model(with_classes(cfg, 2, resumed=True)), test_sets), test_sets[0].name
    return Base(cfg, find_file(args.config_file), settings, test_set, metric, METRICS.get(metric), args.allow_downloads)


def _train(args: argparse.Namespace, base: Base, study: Study, report: Report) -> None:
    period, epochs = base.cfg.TEST.EVAL_PERIOD, base.cfg.SOLVER.MAX_EPOCH
    if not 0 < period < epochs:
        logger.info(
            f"no trial is pruned: with TEST.EVAL_PERIOD {period} each is evaluated after its {epochs} epochs only; "
            "TEST.EVAL_PERIOD 1 evaluates after each epoch"
        )
    sweep.train(base, study.folder, study.next, report.changed)
    if args.seeds and not study.is_busy():
        study.repeat(args.best, [base.cfg.SEED + number for number in range(1, args.seeds + 1)])
        sweep.train(base, study.folder, study.next_seed, report.changed)


def _end(study: Study, report: Report) -> None:
    """Log the best trials, and what failed; DataError where there is none."""
    rows = study.rows()
    failed = [row for row in rows if row.state == "failed"]
    if study.is_busy():
        logger.info("other processes still run trials of this sweep")
    elif not study.ranked():
        raise DataError(f"none of {len(rows)} trials has finished; trial {failed[0].number}: {failed[0].why}")
    logger.info(report.table())
    if failed:
        logger.warning(f"{len(failed)} of {len(rows)} trials failed; the first, trial {failed[0].number}: {failed[0].why}")
    logger.info(f"written: {report.page}, {report.best}")
