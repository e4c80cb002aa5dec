"""`fastpatent train` and tools/train_net.py: train the network of a configuration, or only evaluate it."""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from fastpatent import distributed, log
from fastpatent.commands.dry_run import check_place, dry_run
from fastpatent.commands.launch import add_launch_options, launch, local_rank
from fastpatent.commands.options import config_parser, load_from, load_in_use_from
from fastpatent.commands.preparation import introduce, prepare
from fastpatent.commands.test import report_results
from fastpatent.config.defaults import get_cfg
from fastpatent.config.names import section_of
from fastpatent.config.report import describe
from fastpatent.data.load_datasets import load_test_sets
from fastpatent.data.records import Splits
from fastpatent.device import set_up_device
from fastpatent.engine.checkpoint import BEST, FINAL
from fastpatent.engine.compiling import compile_backbones
from fastpatent.engine.curves import Curves
from fastpatent.engine.imprint import imprint
from fastpatent.engine.run_folder import CONFIG, MARK, own_run_folder, remove_run
from fastpatent.engine.run_record import History, about, recorded
from fastpatent.engine.trainer import Trainer, batch_parts
from fastpatent.errors import ConfigError
from fastpatent.evaluation.pipeline import Pipeline, SetResult
from fastpatent.evaluation.results import figures
from fastpatent.files import write_atomically
from fastpatent.models import Network
from fastpatent.models.trained import refuse_descriptor
from fastpatent.report.gallery import gallery_picture
from fastpatent.report.projector import write_projector
from fastpatent.report.tables import short_metrics

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and train; return the exit status."""
    parser = config_parser("fastpatent train", "Train the network of a configuration.")
    parser.add_argument("--resume", action="store_true", help="continue from OUTPUT_DIR's last checkpoint, if there is one")
    parser.add_argument("--overwrite", action="store_true", help="remove the run that OUTPUT_DIR holds, and start anew")
    parser.add_argument("--eval-only", action="store_true", help="evaluate MODEL.WEIGHTS and train nothing")
    parser.add_argument("--dry-run", action="store_true", help="check all, write nothing, estimate time, memory and disk")
    add_launch_options(parser)
    args = parser.parse_args(argv)
    _check_options(args)
    cfg = load_in_use_from(args) if args.eval_only else load_from(args)
    refuse_descriptor(cfg)
    if args.eval_only:
        launch(_evaluate_only, args, cfg)
        return 0
    if args.overwrite and Path(cfg.MODEL.WEIGHTS).resolve().parent == Path(cfg.OUTPUT_DIR).resolve() and cfg.MODEL.WEIGHTS:
        raise ConfigError(f"--overwrite would remove MODEL.WEIGHTS {cfg.MODEL.WEIGHTS}; choose another OUTPUT_DIR")
    if args.dry_run:
        check_place(cfg.OUTPUT_DIR, args.resume, args.overwrite)
        launch(dry_run, args, cfg, args.resume)
        return 0
    owned = own_run_folder(cfg.OUTPUT_DIR, args.resume, args.overwrite)
    with owned if log.is_first() and args.machine_rank == 0 else nullcontext():
        command = ["fastpatent", "train", *(sys.argv[1:] if argv is None else argv)]
        launch(_train, args, cfg, command, args.resume, args.overwrite)
    return 0


def _check_options(args: argparse.Namespace) -> None:
    """Raise ConfigError where options contradict each other, --resume has a file, as in other programs, or no
    configuration is given."""
    if args.resume and args.overwrite:
        raise ConfigError("--resume continues the run in OUTPUT_DIR and --overwrite removes it: give one of them")
    if args.dry_run and (args.eval_only or args.allow_downloads):
        other = "--eval-only trains nothing" if args.eval_only else "--allow-downloads would write what it downloads"
        raise ConfigError(f"--dry-run tries a training and writes nothing; {other}: leave one of the two out")
    first = args.opts[0] if args.opts else ""
    if args.resume and first and not first.startswith("-") and section_of(get_cfg(), first) is None and len(args.opts) % 2:
        raise ConfigError(
            f"--resume takes no file, got {first}: it continues from the last checkpoint in OUTPUT_DIR; "
            f"to start a new run from weights write MODEL.WEIGHTS {first}"
        )
    if not args.config_file and not args.eval_only and "DATASETS.NAMES" not in args.opts[::2]:
        raise ConfigError(
            "give a configuration: for your own drawings --config-file own_drawings DATASETS.ROOT FOLDER; "
            "fastpatent config --list names the others"
        )


def _train(cfg: CfgNode, command: Sequence[str], resume: bool, overwrite: bool) -> None:
    """Train in this process, one of possibly many; nothing is written or removed before everything is accepted."""
    ready = prepare(cfg, resume)
    cfg, device, precision, checkpoint = ready.cfg, ready.device, ready.precision, ready.checkpoint
    loader, test_sets, model, best_by = ready.loader, ready.test_sets, ready.model, ready.best_by
    first = distributed.rank() == 0
    if overwrite and first:
        remove_run(cfg.OUTPUT_DIR)
    log.start(cfg.OUTPUT_DIR)
    if first:
        _write_config(cfg)
    introduce(ready)
    record = about(cfg, command, ready.origin, device, precision, test_sets) if first else {}
    with recorded(cfg.OUTPUT_DIR, record, resumed=bool(checkpoint)) if first else nullcontext():
        if cfg.MODEL.COMPILE:
            shape = loader.batch_size // batch_parts(cfg, loader), 1, *ready.size
            compile_backbones(model, shape, device.device, precision)
        if ready.imprints:
            imprint(cfg, model, loader.samples, device.device, precision)
        torch.manual_seed(cfg.SEED + distributed.rank())
        curves = history = None
        if first:
            curves = Curves(cfg.OUTPUT_DIR, purge_step=checkpoint["iteration"] if checkpoint else None)
            curves.text("configuration", describe(cfg).yaml, checkpoint["iteration"] if checkpoint else 0)
            history = History(cfg.OUTPUT_DIR, checkpoint["finished_epochs"] if checkpoint else 0)
        latest: list[SetResult] = []
        measured: dict[int, dict[str, Any]] = {}  # of an epoch, until its line is written

        def measure(model: Network, epoch: int) -> float | None:
            results = _evaluate_all(Pipeline(cfg, device.device, model), test_sets, every=False)
            latest[:] = [result.renamed(f"epoch {epoch}") for result in results]  # without features, which are large
            measured[epoch] = figures(results)
            for result in results:
                logger.info(f"epoch {epoch}  {result.splits.name}  {short_metrics(result)}")
                if curves:
                    _add_result(curves, result, epoch * loader.batches_per_epoch)
            if results and epoch == cfg.SOLVER.MAX_EPOCH:
                _write_projector(cfg, results[0])
            return results[0].summary.get(best_by) if results else None

        def add_epoch(line: dict[str, Any]) -> None:
            if history:
                history.add(line | measured.pop(line["epoch"], {}))

        trainer = Trainer(
            cfg, model, loader, device.device, precision, measure, curves, checkpoint, best_by, ready.origin, add_epoch
        )
        trainer.run()
        loader.quarantine.finish()
    if curves:
        if latest:
            settings = {name: value for name, value, _ in describe(cfg).differences if name != "OUTPUT_DIR"}
            curves.hyperparameters(settings, (name for result in latest for name in _curves_of(result)))
        curves.close()
        best, folder = trainer.position, Path(cfg.OUTPUT_DIR)
        if latest:
            report_results(latest)
        if best.best_epoch:
            logger.info(f"best {best_by} {best.best:.4f} at epoch {best.best_epoch}: {folder / BEST}")
        logger.info(
            f"also in {folder}: {FINAL}, {CONFIG}, log.txt; curves, galleries, features: tensorboard --logdir {folder}"
        )


def _evaluate_only(cfg: CfgNode) -> None:
    """Measure MODEL.WEIGHTS on DATASETS.TESTS, as `fastpatent test` does."""
    log.start()
    device = set_up_device(cfg, local_rank()).device
    pipeline = Pipeline(cfg, device)
    results = _evaluate_all(pipeline, load_test_sets(cfg, texts=pipeline.measures_texts))
    if results:
        report_results(results)


def _evaluate_all(pipeline: Pipeline, test_sets: Sequence[Splits], every: bool = True) -> list[SetResult]:
    """Evaluate on every test set; empty in every process but the first."""
    return [result for splits in test_sets if (result := pipeline.evaluate(splits, every, tolerant=True))]


def _write_config(cfg: CfgNode) -> None:
    text = f"{MARK}\n{describe(cfg).yaml}"
    write_atomically(Path(cfg.OUTPUT_DIR) / CONFIG, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _add_result(curves: Curves, result: SetResult, iteration: int) -> None:
    curves.scalars(_curves_of(result), iteration)
    curves.picture(f"{result.splits.name}/gallery", gallery_picture(result.evaluations[-1]), iteration)


def _curves_of(result: SetResult) -> dict[str, float]:
    return {f"{result.splits.name}/{name}": value for name, value in result.summary.items()}


def _write_projector(cfg: CfgNode, result: SetResult) -> None:
    features, splits = result.evaluations[-1].features, result.splits
    assert features, "it was just evaluated"
    write_projector(features, [*splits.query, *splits.gallery], cfg.DATASETS.ROOT, cfg.OUTPUT_DIR)
