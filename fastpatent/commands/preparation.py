"""All that a training needs, built and checked before anything is written: the first part of `train`, and of a dry run."""

import logging
from typing import Any, NamedTuple

import torch
from yacs.config import CfgNode

from fastpatent import distributed, log
from fastpatent.commands.launch import local_rank
from fastpatent.config.image_size import image_size
from fastpatent.config.report import differences_table
from fastpatent.data.load_datasets import load_test_sets, report_skipped
from fastpatent.data.loader import TrainLoader, build_train_loader
from fastpatent.data.records import Splits
from fastpatent.device import Device, Precision, keep_freed_memory, set_up_device, training_precision
from fastpatent.engine.checkpoint import read_last_checkpoint
from fastpatent.engine.imprint import imprinted_head
from fastpatent.engine.resume import changed_settings, check_samples, run_identity
from fastpatent.engine.trainer import check_batch
from fastpatent.evaluation.pipeline import Pipeline, best_metric
from fastpatent.models import Network, build_model, build_tokenizer, with_classes
from fastpatent.models.image_size import check_train_size
from fastpatent.models.pretrained import starts_from_random
from fastpatent.models.weights import load_weights

logger = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """A training that can begin.

    Attributes:
        cfg: the configuration, with the number of classes.
        device, precision: where and in which number format.
        checkpoint: that the run is resumed from, or None.
        loader: of training batches, from the checkpoint's position.
        test_sets: of the periodic evaluation.
        model: on its device, with its starting weights.
        best_by: metric that chooses the best checkpoint.
        origin: see `run_identity`.
        size: (height, width) of training images.
        imprints: whether class weights are to be imprinted.
        notes: tables of what is to be reported at the start.
    """

    cfg: CfgNode
    device: Device
    precision: Precision
    checkpoint: dict[str, Any] | None
    loader: TrainLoader
    test_sets: list[Splits]
    model: Network
    best_by: str
    origin: dict[str, Any]
    size: tuple[int, int]
    imprints: bool
    notes: list[str]


def prepare(cfg: CfgNode, resume: bool) -> Prepared:
    """Build a training in this process, one of possibly many; an error is what would end it."""
    log.start()
    device = set_up_device(cfg, local_rank())
    if device.device.type == "cpu":
        keep_freed_memory()
    precision = training_precision(cfg.SOLVER.AMP.ENABLED, device.device)
    checkpoint = _checkpoint_to_resume(cfg) if resume else None
    changes = changed_settings(checkpoint, cfg) if checkpoint else ""
    notes = [f"resumed with other settings\n{changes}"] if changes else []
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
    if cfg.MODEL.WEIGHTS and not checkpoint:
        notes.append(load_weights(model, cfg.MODEL.WEIGHTS).table())
    model.to(device.device)
    check_batch(cfg, model, loader)
    imprints = cfg.MODEL.HEADS.IMPRINT and not checkpoint
    if imprints:
        imprinted_head(cfg, model)
    key, size = image_size(cfg, "SIZE_TRAIN")
    check_train_size(model, f"INPUT.{key}", size, device.device)
    return Prepared(cfg, device, precision, checkpoint, loader, test_sets, model, best_by, origin, size, imprints, notes)


def introduce(ready: Prepared) -> None:
    """Report what will be trained, on what, how and why."""
    cfg, loader, device = ready.cfg, ready.loader, ready.device
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
    for splits in ready.test_sets:
        logger.info(f"test set      {splits.name}: {len(splits.query)} queries, {len(splits.gallery)} gallery images")
    trainable = sum(p.numel() for p in ready.model.parameters() if p.requires_grad)
    logger.info(f"network       {cfg.MODEL.META_ARCHITECTURE}, {trainable / 1e6:.1f} M parameters")
    logger.info(f"device        {device.device} ({device.reason}), {distributed.world_size()} process(es)")
    logger.info(f"workers       {loader.workers} process(es) ({loader.workers_reason})")
    logger.info(f"images        {loader.source_reason}")
    logger.info(f"augmentation  {loader.augmentation_reason}")
    logger.info(f"precision     {str(ready.precision.dtype).removeprefix('torch.')} ({ready.precision.reason})")
    for note in ready.notes:
        logger.info("%s", note)


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
