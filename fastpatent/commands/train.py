"""`fastpatent train` and tools/train_net.py: train the network of a configuration, or only evaluate it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from fastpatent import distributed, log
from fastpatent.commands.launch import add_launch_options, launch, local_rank
from fastpatent.commands.options import config_parser, load_from
from fastpatent.commands.test import report_results
from fastpatent.config.report import describe, differences_table
from fastpatent.data.load_datasets import load_test_sets, report_skipped
from fastpatent.data.loader import TrainLoader, build_train_loader
from fastpatent.data.records import Splits
from fastpatent.device import Device, Precision, set_up_device, training_precision
from fastpatent.engine.checkpoint import last_checkpoint, load_checkpoint
from fastpatent.engine.compiling import compile_backbones
from fastpatent.engine.trainer import Trainer, batch_parts
from fastpatent.evaluation.pipeline import Pipeline, SetResult, best_metric
from fastpatent.files import write_atomically
from fastpatent.models import Network, build_model, build_tokenizer, with_classes
from fastpatent.models.trained import refuse_descriptor
from fastpatent.models.weights import load_weights
from fastpatent.report.gallery import gallery_picture
from fastpatent.report.tables import short_metrics

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and train; return the exit status."""
    parser = config_parser("fastpatent train", "Train the network of a configuration.")
    parser.add_argument("--resume", action="store_true", help="continue from OUTPUT_DIR's last checkpoint, if there is one")
    parser.add_argument("--eval-only", action="store_true", help="evaluate MODEL.WEIGHTS and train nothing")
    add_launch_options(parser)
    args = parser.parse_args(argv)
    cfg = load_from(args)
    refuse_descriptor(cfg)
    launch(_evaluate_only, args, cfg) if args.eval_only else launch(_train, args, cfg, args.resume)
    return 0


def _train(cfg: CfgNode, resume: bool) -> None:
    """Train in this process, one of possibly many."""
    log.start(cfg.OUTPUT_DIR)
    device = set_up_device(cfg, local_rank())
    precision = training_precision(cfg.SOLVER.AMP.ENABLED, device.device)
    checkpoint = _checkpoint_to_resume(cfg) if resume else None
    tokenize = build_tokenizer(cfg)
    loader = build_train_loader(cfg, device.device, checkpoint["iteration"] if checkpoint else 0, tokenize)
    test_sets = load_test_sets(cfg, texts=tokenize is not None, skipped=loader.skipped)
    cfg = with_classes(cfg, loader.num_classes, resumed=bool(checkpoint))
    torch.manual_seed(cfg.SEED)
    model = build_model(cfg)
    best_by = best_metric(cfg, model, test_sets)
    Pipeline(cfg, device.device, model).check()
    _introduce(cfg, loader, test_sets, model, device, precision)
    if cfg.MODEL.WEIGHTS and not checkpoint:
        logger.info("%s", load_weights(model, cfg.MODEL.WEIGHTS).table())
    model.to(device.device)
    if cfg.MODEL.COMPILE:
        shape = loader.batch_size // batch_parts(cfg, loader), 1, *cfg.INPUT.SIZE_TRAIN
        compile_backbones(model, shape, device.device, precision)
    torch.manual_seed(cfg.SEED + distributed.rank())
    writer = _tensorboard(cfg, checkpoint)
    latest: list[SetResult] = []

    def measure(model: Network, epoch: int) -> float | None:
        results = _evaluate_all(Pipeline(cfg, device.device, model), test_sets, every=False)
        latest[:] = [result.renamed(f"epoch {epoch}") for result in results]  # without features, which are large
        for result in results:
            logger.info(f"epoch {epoch}  {result.splits.name}  {short_metrics(result.summary)}")
            if writer:
                _write_result(writer, result, epoch * loader.batches_per_epoch)
        return results[0].summary.get(best_by) if results else None

    trainer = Trainer(cfg, model, loader, device.device, precision, measure, writer, checkpoint, best_by)
    trainer.run()
    loader.quarantine.finish()
    if writer:
        writer.close()
        best, folder = trainer.position, Path(cfg.OUTPUT_DIR)
        if latest:
            report_results(latest)
        if best.best_epoch:
            logger.info(f"best {best_by} {best.best:.4f} at epoch {best.best_epoch}: {folder / 'model_best.pth'}")
        logger.info(
            f"also in {folder}: model_final.pth, config.yaml, log.txt; curves and galleries: tensorboard --logdir {folder}"
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


def _checkpoint_to_resume(cfg: CfgNode) -> dict[str, Any] | None:
    path = last_checkpoint(cfg.OUTPUT_DIR)
    if path is None:
        logger.info(f"--resume: no checkpoint in {cfg.OUTPUT_DIR} yet, training starts from the beginning")
        return None
    logger.info(f"resuming from {path}")
    return load_checkpoint(path)


def _introduce(
    cfg: CfgNode, loader: TrainLoader, test_sets: Sequence[Splits], model: Network, device: Device, precision: Precision
) -> None:
    """Report what will be trained, on what, how and why, and write the configuration beside the run."""
    if distributed.rank() == 0:
        path = Path(cfg.OUTPUT_DIR) / "config.yaml"
        write_atomically(path, lambda temporary: temporary.write_text(describe(cfg).yaml, encoding="utf-8"))
    logger.info("%s", differences_table(cfg))
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


def _tensorboard(cfg: CfgNode, checkpoint: dict[str, Any] | None) -> Any:
    """Open the event file of the first process; a resumed run hides what came after its checkpoint."""
    if distributed.rank() > 0:
        return None
    from torch.utils.tensorboard import SummaryWriter  # takes a second to import, and only training needs it

    return SummaryWriter(cfg.OUTPUT_DIR, purge_step=checkpoint["iteration"] if checkpoint else None)


def _write_result(writer: Any, result: SetResult, iteration: int) -> None:
    for name, value in result.summary.items():
        writer.add_scalar(f"{result.splits.name}/{name}", value, iteration)
    picture = gallery_picture(result.evaluations[-1])
    writer.add_image(f"{result.splits.name}/gallery", picture, iteration, dataformats="HWC")
