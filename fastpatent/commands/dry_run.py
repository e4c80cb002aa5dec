"""`fastpatent train --dry-run`: a few real steps and an evaluation batch, what a whole run would take; it writes nothing."""

import logging
import os
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.commands.preparation import Prepared, introduce, prepare
from fastpatent.data.pack.place import pack_folder, pack_size, why_not_packed
from fastpatent.engine.forecast import evaluations_left, measure_evaluation, measure_steps, saved_at_most
from fastpatent.engine.imprint import IMAGES
from fastpatent.engine.run_folder import check_run_folder
from fastpatent.engine.trainer import Trainer
from fastpatent.errors import DataError
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.evaluation.whitening import whitening_set
from fastpatent.progress import clock, reported_to
from fastpatent.retrieval.free_memory import free_bytes

GB = 1e9
logger = logging.getLogger(__name__)


def check_place(folder: str | os.PathLike[str], resume: bool, overwrite: bool) -> None:
    """Raise what a training would where it may not write into OUTPUT_DIR; DataError where it cannot."""
    place = _existing(Path(folder))
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise DataError(f"{folder}: nothing can be written there, because of {place} (OUTPUT_DIR)")
    if place == Path(folder).absolute():
        check_run_folder(place, resume, overwrite)


def dry_run(cfg: CfgNode, resume: bool) -> None:
    """Build a training, take a few steps, evaluate a batch, and report what the run would take; one process of many.

    Raises:
        FastPatentError: what would end the run, as far as it can be seen; its checkpoints do not fit on the disk.
    """
    ready = prepare(cfg, resume)
    cfg, device, loader = ready.cfg, ready.device.device, ready.loader
    loader.quarantine.file = None
    introduce(ready)
    torch.manual_seed(cfg.SEED + distributed.rank())
    trainer = Trainer(
        cfg,
        ready.model,
        loader,
        device,
        ready.precision,
        lambda *_: None,
        None,
        ready.checkpoint,
        ready.best_by,
        ready.origin,
    )
    steps, finished = trainer.total - trainer.position.iteration, trainer.position.finished_epochs
    sets = [[*splits.query, *splits.gallery] for splits in ready.test_sets]
    with reported_to(lambda *_: None):
        mining = _mine(trainer)
        pace = measure_steps(trainer)
        an_image = measure_evaluation(cfg, Pipeline(cfg, device, ready.model), sets[0] if sets else loader.samples, device)
    saved = saved_at_most(cfg, trainer, bool(sets))
    if distributed.rank():
        return
    times = evaluations_left(cfg, finished) if sets else 0
    images = sum(map(len, sets)) + (len(whitening_set(cfg).gallery) if cfg.TEST.WHITENING.ENABLED and sets else 0)
    imprinted = min(len(loader.samples), IMAGES * loader.num_classes) if ready.imprints else 0
    mined = mining * (cfg.SOLVER.MAX_EPOCH - finished)
    whole = steps * pace.seconds + (times * images + imprinted) * an_image + mined
    logger.info("dry run       nothing is written; the whole run would take")
    logger.info(
        f"training      {clock(steps * pace.seconds)}: {steps:,} steps of {cfg.SOLVER.IMS_PER_BATCH} images, "
        f"{pace.seconds:.3g} s each, {pace.waiting:.0%} of it waiting for images "
        f"(mean of {pace.timed} after {pace.warm_up} to warm up)"
    )
    if mining:
        logger.info(f"mining        {clock(mined)}: {mining:.3g} s an epoch")
    if imprinted:
        logger.info(f"imprinting    {clock(imprinted * an_image)}: at most {imprinted:,} images")
    logger.info(
        f"evaluation    {clock(times * images * an_image)}: {times} of {images:,} images, {an_image * 1e3:.3g} ms each"
    )
    logger.info(f"in all        {clock(whole)}")
    for line in (*_memory(ready), *_packs(ready)):
        logger.info(line)
    logger.info(f"assumed       {'; '.join(_assumed(ready))}")
    place = _existing(Path(cfg.OUTPUT_DIR))
    free = shutil.disk_usage(place).free
    needed = f"{saved.files} checkpoints of {saved.bytes / GB:.2f} GB together at most"
    logger.info(f"disk          {needed}; {free / GB:.2f} GB are free in {place}")
    if saved.bytes > free:
        raise DataError(
            f"OUTPUT_DIR: {needed} do not fit in {place}, where {free / GB:.2f} GB are free; SOLVER.CHECKPOINTS_KEPT "
            "removes old ones"
        )


def _mine(trainer: Trainer) -> float:
    """Mine the tuples of the epoch that begins, where the sampler asks for it; return the seconds."""
    if not trainer.miner:
        return 0.0
    begun = time.monotonic()
    trainer.miner.mine(trainer.position.iteration // trainer.batches_per_epoch)
    return time.monotonic() - begun


def _memory(ready: Prepared) -> Iterator[str]:
    """Yield what was the most memory so far, and what there is."""
    device, processes = ready.device.device, distributed.world_size()
    each = f" in each of {processes} processes" if processes > 1 else ""
    if device.type == "cuda":
        used, there = torch.cuda.max_memory_reserved(device), torch.cuda.get_device_properties(device).total_memory
        yield f"GPU memory    {used / GB:.2f} GB of {there / GB:.2f} GB at most{each}"
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    workers = f", and {ready.loader.workers} workers that read images" if ready.loader.workers else ""
    yield f"memory        {resident / GB:.2f} GB at most{each}{workers}; {free_bytes() / GB:.2f} GB are free beside it now"


def _packs(ready: Prepared) -> Iterator[str]:
    """Yield how large packs would be that the configuration names and that are not there."""
    cfg, needed = ready.cfg, {}
    counts = {
        "SIZE_TRAIN": len(ready.loader.samples),
        "SIZE_TEST": sum(len(splits.query) + len(splits.gallery) for splits in ready.test_sets),
    }
    for key, images in counts.items() if why_not_packed(cfg) is None else ():
        size = pack_size(cfg, key)
        if (folder := pack_folder(cfg, size)) and not os.path.isdir(folder):
            needed[folder] = needed.get(folder, 0) + images * size.bytes
    for folder, size in needed.items():
        free = shutil.disk_usage(_existing(Path(folder))).free
        yield f"pack          `fastpatent data pack` would take {size / GB:.2f} of {free / GB:.2f} free GB for {folder}"


def _assumed(ready: Prepared) -> Iterator[str]:
    yield "all steps are as fast as these, with images at hand as now"
    if ready.cfg.MODEL.FREEZE_LAYERS and ready.cfg.SOLVER.FREEZE_ITERS:
        yield "no layer is frozen, so the first steps are faster and smaller"
    if ready.cfg.MODEL.COMPILE:
        yield "MODEL.COMPILE is off: it takes minutes at the start and makes steps faster"
    yield "ranking, galleries and writing take no time"
    yield "memory stays as in these steps and one evaluation batch"


def _existing(path: Path) -> Path:
    """Return the path, or the first above it that is there."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if os.path.lexists(place))
