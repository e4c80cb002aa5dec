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
from fastpatent.commands.launch import add_launch_options, launch, local_rank
from fastpatent.commands.options import config_parser, load_from, load_in_use_from
from fastpatent.commands.test import report_results
from fastpatent.config.defaults import get_cfg
from fastpatent.config.image_size import image_size
from fastpatent.config.names import section_of
from fastpatent.config.report import describe, differences_table
from fastpatent.data.load_datasets import load_test_sets, report_skipped
from fastpatent.data.loader import TrainLoader, build_train_loader
from fastpatent.data.records import Splits
from fastpatent.device import Device, Precision, keep_freed_memory, set_up_device, training_precision
from fastpatent.engine.checkpoint import BEST, FINAL, read_last_checkpoint
from fastpatent.engine.compiling import compile_backbones
from fastpatent.engine.curves import Curves
from fastpatent.engine.imprint import imprint, imprinted_head
from fastpatent.engine.resume import changed_settings, check_samples, run_identity
from fastpatent.engine.run_folder import CONFIG, MARK, own_run_folder, remove_run
from fastpatent.engine.run_record import History, about, recorded
from fastpatent.engine.trainer import Trainer, batch_parts, check_batch
from fastpatent.errors import ConfigError
from fastpatent.evaluation.pipeline import Pipeline, SetResult, best_metric
from fastpatent.evaluation.results import figures
from fastpatent.files import write_atomically
from fastpatent.models import Network, build_model, build_tokenizer, with_classes
from fastpatent.models.image_size import check_train_size
from fastpatent.models.pretrained import starts_from_random
from fastpatent.models.trained import refuse_descriptor
from fastpatent.models.weights import load_weights
from fastpatent.report.gallery import gallery_picture
from fastpatent.report.tables import short_metrics

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and train; return the exit status."""
    parser = config_parser("fastpatent train", "Train the network of a configuration.")
    parser.add_argument("--resume", action="store_true", help="continue from OUTPUT_DIR's last checkpoint, if there is one")
    parser.add_argument("--overwrite", action="store_true", help="remove the run that OUTPUT_DIR holds, and start anew")
    parser.add_argument("--eval-only", action="store_true", help="evaluate MODEL.WEIGHTS and train nothing")
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
    owned = own_run_folder(cfg.OUTPUT_DIR, args.resume, args.overwrite)
    with owned if log.is_first() and args.machine_rank == 0 else nullcontext():
        command = ["fastpatent", "train", *(sys.argv[1:] if argv is None else argv)]
        launch(_train, args, cfg, command, args.resume, args.overwrite)
    return 0


def _check_options(args: argparse.Namespace) -> None:
    """Raise ConfigError where --resume has a file, as in other programs, or --overwrite; or no configuration is given."""
    if args.resume and args.overwrite:
        raise ConfigError("--resume continues the run in OUTPUT_DIR and --overwrite removes it: give one of them")
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
    log.start()
    device = set_up_device(cfg, local_rank())
    if device.device.type == "cpu":
        keep_freed_memory()
    precision = training_precision(cfg.SOLVER.AMP.ENABLED, device.device)
    checkpoint = _checkpoint_to_resume(cfg) if resume else None
    changes = changed_settings(checkpoint, cfg) if checkpoint else ""
    tokenize = build_tokenizer(cfg)
    loader = build_train_loader(cfg, device.device, checkpoint["iteration"] if checkpoint else 0, tokenize)
    if checkpoint:
        check_samples(checkpoint, loader.samples, cfg.DATASETS.ROOT)
    origin = run_identity(cfg, loader.samples)
    test_sets = load_test_sets(cfg, texts=tokenize is not None, skipped=loader.skipped, required=False)
    cfg = with_classes(cfg, loader.num_classes, resumed=bool(checkpoint))
    torch.manual_seed(cfg.SEED)
    model = build_model(cfg)
    if not checkpoint and starts_from_random(cfg):
        logger.info("pretrained    none: the network starts from random weights")
    best_by = best_metric(cfg, model, test_sets)
    Pipeline(cfg, device.device, model).check()
    loaded = load_weights(model, cfg.MODEL.WEIGHTS) if cfg.MODEL.WEIGHTS and not checkpoint else None
    model.to(device.device)
    check_batch(cfg, model, loader)
    imprints = cfg.MODEL.HEADS.IMPRINT and not checkpoint
    if imprints:
        imprinted_head(cfg, model)
    key, size = image_size(cfg, "SIZE_TRAIN")
    check_train_size(model, f"INPUT.{key}", size, device.device)
    first = distributed.rank() == 0
    if overwrite and first:
        remove_run(cfg.OUTPUT_DIR)
    log.start(cfg.OUTPUT_DIR)
    if changes:
        logger.info("resumed with other settings\n%s", changes)
    _introduce(cfg, loader, test_sets, model, device, precision)
    if loaded:
        logger.info("%s", loaded.table())
    record = about(command, device, precision, origin["samples"], test_sets, cfg.DATASETS.ROOT) if first else {}
    with recorded(cfg.OUTPUT_DIR, record, resumed=bool(checkpoint)) if first else nullcontext():
        if cfg.MODEL.COMPILE:
            shape = loader.batch_size // batch_parts(cfg, loader), 1, *size
            compile_backbones(model, shape, device.device, precision)
        if imprints:
            imprint(cfg, model, loader.samples, device.device, precision)
        torch.manual_seed(cfg.SEED + distributed.rank())
        curves = history = None
        if first:
            curves = Curves(cfg.OUTPUT_DIR, purge_step=checkpoint["iteration"] if checkpoint else None)
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
            return results[0].summary.get(best_by) if results else None

        def add_epoch(line: dict[str, Any]) -> None:
            if history:
                history.add(line | measured.pop(line["epoch"], {}))

        trainer = Trainer(
            cfg, model, loader, device.device, precision, measure, curves, checkpoint, best_by, origin, add_epoch
        )
        trainer.run()
        loader.quarantine.finish()
    if curves:
        curves.close()
        best, folder = trainer.position, Path(cfg.OUTPUT_DIR)
        if latest:
            report_results(latest)
        if best.best_epoch:
            logger.info(f"best {best_by} {best.best:.4f} at epoch {best.best_epoch}: {folder / BEST}")
        logger.info(f"also in {folder}: {FINAL}, {CONFIG}, log.txt; curves and galleries: tensorboard --logdir {folder}")


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


def _checkpoint_to_resume(cfg: CfgNode) -> dict[str, Any] | None:
    found = read_last_checkpoint(cfg.OUTPUT_DIR)
    if found is None:
        logger.info(f"--resume: no checkpoint in {cfg.OUTPUT_DIR} yet, training starts from the beginning")
        return None
    path, state = found
    logger.info(f"resuming from {path}, epoch {state['finished_epochs']}, iteration {state['iteration']}")
    if state["finished_epochs"] >= cfg.SOLVER.MAX_EPOCH:
        logger.info(f"the run has had its {state['finished_epochs']} epochs; a larger SOLVER.MAX_EPOCH continues it")
    return state


def _introduce(
    cfg: CfgNode, loader: TrainLoader, test_sets: Sequence[Splits], model: Network, device: Device, precision: Precision
) -> None:
    """Report what will be trained, on what, how and why, and write the configuration beside the run."""
    if distributed.rank() == 0:
        text = f"{MARK}\n{describe(cfg).yaml}"
        write_atomically(Path(cfg.OUTPUT_DIR) / CONFIG, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    logger.info("configuration\n%s", differences_table(cfg))
    logger.info(
        f"training set  {', '.join(cfg.DATASETS.NAMES)}: {len(loader.samples)} images of {loader.num_classes} identities, "
        f"{loader.batches_per_epoch} batches an epoch"
    )
    count_truncated = getattr(loader.tokenize, "count_truncated", None)
    if count_truncated and distributed.rank() == 0:
        captions = list({sample.caption for sample in loader.samples})  # the images of a patent share one
        cut = count_truncated(captions)
        logger.info(
            f"captions      {cut} of {len(captions)} different ones are longer than the network reads, and truncated"
        )
    report_skipped(loader.skipped, cfg.DATASETS.ROOT)
    for splits in test_sets:
        logger.info(f"test set      {splits.name}: {len(splits.query)} queries, {len(splits.gallery)} gallery images")
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    logger.info(f"network       {cfg.MODEL.META_ARCHITECTURE}, {trainable / 1e6:.1f} M parameters")
    logger.info(f"device        {device.device} ({device.reason}), {distributed.world_size()} process(es)")
    logger.info(f"workers       {loader.workers} process(es) ({loader.workers_reason})")
    logger.info(f"images        {loader.source_reason}")
    logger.info(f"augmentation  {loader.augmentation_reason}")
    logger.info(f"precision     {str(precision.dtype).removeprefix('torch.')} ({precision.reason})")


def _add_result(curves: Curves, result: SetResult, iteration: int) -> None:
    curves.scalars({f"{result.splits.name}/{name}": value for name, value in result.summary.items()}, iteration)
    curves.picture(f"{result.splits.name}/gallery", gallery_picture(result.evaluations[-1]), iteration)
