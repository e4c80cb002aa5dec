"""How long a training will take, and how large its checkpoints are, from a few steps that are not saved."""

import time
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

import torch
from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.data.loader import build_test_loader
from fastpatent.data.records import Sample, captioned
from fastpatent.data.workers import worker_count
from fastpatent.engine.optimizer import optimizer_state
from fastpatent.engine.prefetch import DeviceFeed
from fastpatent.engine.trainer import Trainer
from fastpatent.evaluation.pipeline import Pipeline

WARM_UP, TIMED = 3, 10  # steps
AT_MOST = 30.0  # seconds that the steps may take, if they stay as fast as the second; two are always taken
READY = 2  # batches that each worker has read ahead, after which a step waits for images as all later ones will


class Pace(NamedTuple):
    """How fast steps are.

    Attributes:
        seconds: of a step, the mean of the timed ones.
        waiting: share of them in which the step waits for images.
        warm_up, timed: how many steps were not counted, and how many were.
    """

    seconds: float
    waiting: float
    warm_up: int
    timed: int


class Saved(NamedTuple):
    """What a run has on the disk at its end.

    Attributes:
        files: how many checkpoints.
        bytes: of all of them together.
    """

    files: int
    bytes: int


def measure_steps(trainer: Trainer) -> Pace:
    """Take a few steps of a run; all processes take the same number. The weights move: nothing may be saved after it.

    Layers that are frozen at first are trained, as in most steps of a run.

    Raises:
        FastPatentError: what a step raises; a loss was not finite.
    """
    left, position = trainer.total - trainer.position.iteration, trainer.position
    if trainer.miner:
        left = min(left, trainer.batches_per_epoch - position.iteration % trainer.batches_per_epoch)  # mined so far
    position.iteration = min(max(position.iteration, trainer.freezer.iterations), max(trainer.total - 1, 0))
    trainer.model.train()
    batches, wanted = iter(DeviceFeed(trainer.loader, trainer.device)), 2
    steps: list[tuple[float, float]] = []
    for number in count(1):
        begun = time.monotonic()
        batch = next(batches)
        waited = time.monotonic() - begun
        trainer.step(batch)
        _wait_for(trainer.device)
        steps.append((time.monotonic() - begun, waited))
        if number == 2:
            slowest = max(distributed.collect(steps[1][0], everywhere=True) or ())
            wanted = steps_to_take(slowest, trainer.loader.workers)
        if number >= min(wanted, left):
            break
    trainer.check()
    warm_up = min(_warm_up(trainer.loader.workers), len(steps) // 2)
    seconds, waits = (sum(column) / (len(steps) - warm_up) for column in zip(*steps[warm_up:]))
    return Pace(seconds, waits / seconds, warm_up, len(steps) - warm_up)


def steps_to_take(seconds: float, workers: int) -> int:
    """Return how many steps of so many seconds are worth their time."""
    return max(2, min(_warm_up(workers) + TIMED, int(AT_MOST / seconds)))


def measure_evaluation(cfg: CfgNode, pipeline: Pipeline, samples: Sequence[Sample], device: torch.device) -> float:
    """Evaluate one batch of images and their texts as a run does; return the seconds an image, without ranking.

    Reading is timed alone and divided by the workers, which read while the network computes.
    """
    everywhere = distributed.world_size()
    batch, extractor = list(samples[: cfg.TEST.IMS_PER_BATCH * everywhere]), pipeline.extractors[0]
    extractor.embed_images(batch, "one batch", {})  # warms up
    begun = time.monotonic()
    for _ in build_test_loader(cfg, batch[distributed.rank() :: everywhere], device, tolerant=True):
        pass
    reading = time.monotonic() - begun
    begun = time.monotonic()
    extractor.embed_images(batch, "one batch", {})
    both = time.monotonic() - begun
    computing, workers = max(both - reading, 0), worker_count(cfg.DATALOADER.NUM_WORKERS)[0]
    if extractor.reads_texts and (texts := [batch[row].caption or "" for row in captioned(batch)]):
        extractor.embed_texts(texts, "one batch")
    return (max(computing, reading / workers) if workers else computing + reading) / len(batch)


def evaluations_left(cfg: CfgNode, finished: int) -> int:
    """Return how often a run evaluates after `finished` epochs."""
    last, period = cfg.SOLVER.MAX_EPOCH, cfg.TEST.EVAL_PERIOD
    return sum(epoch == last or (period > 0 and epoch % period == 0) for epoch in range(finished + 1, last + 1))


def saved_at_most(cfg: CfgNode, trainer: Trainer, chooses_best: bool) -> Saved:
    """Return what the checkpoints of a whole run take; call it after a step, which makes the optimizer's state."""
    period, most = cfg.SOLVER.CHECKPOINT_PERIOD, cfg.SOLVER.CHECKPOINTS_KEPT
    periodic = (cfg.SOLVER.MAX_EPOCH - 1) // period
    files = min(periodic, most + 1) if most else periodic  # a new one is written before the oldest is removed
    weights = tensor_bytes(trainer.model.state_dict())
    whole = weights * (2 if trainer.average else 1) + tensor_bytes(optimizer_state(trainer.optimizer, trainer.model))
    return Saved(files + 1 + chooses_best, (files + 1) * whole + chooses_best * weights)


def tensor_bytes(value: Any) -> int:
    """Return the bytes of all tensors in nested dicts and lists."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(tensor_bytes, parts))


def _warm_up(workers: int) -> int:
    return max(WARM_UP, READY * workers + 1)


def _wait_for(device: torch.device) -> None:
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
