"""The trials of a sweep, one after the other or one a GPU, until there are enough of them or somebody stops it."""

import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

from fastpatent.config.report import short_value
from fastpatent.engine.interrupt import StopSignal
from fastpatent.errors import FastPatentError
from fastpatent.tuning.ranking import Rankings
from fastpatent.tuning.study import RunningTrial, Study
from fastpatent.tuning.trial import Base, Training

PERIOD = 0.5  # seconds between two looks at the trainings
logger = logging.getLogger(__name__)


def gpus(device: str) -> list[str | None]:
    """Return the CUDA_VISIBLE_DEVICES of the trainings that run at once: one a GPU where `device` is cuda, else one."""
    count: int = torch.cuda.device_count() if device == "cuda" else 0
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name] or map(str, range(count))
    return [*visible, None][:count] or [None]


def train(base: Base, folder: Path, next_trial: Callable[[], RunningTrial | None], changed: Callable[[], None]) -> None:
    """Run trials that train until `next_trial` has none; on Ctrl-C have them save, and raise KeyboardInterrupt.

    A trial that fails is noted, and the others go on.

    Args:
        base: their configuration.
        folder: of the sweep.
        next_trial: `Study.next` or `Study.next_seed`.
        changed: called when a trial has begun, and when it has ended.

    Raises:
        DataError: the disk is full; all trials are left to be resumed.
    """
    free, running = gpus(base.cfg.MODEL.DEVICE), dict[str | None, Training]()
    with StopSignal() as stop:
        try:
            while True:
                while free and not stop.requested and (trial := next_trial()):
                    training = _begin(trial, base, folder, free[0])
                    if training:
                        running[free.pop(0)] = training
                    changed()
                if not running:
                    break
                time.sleep(PERIOD)
                for gpu, training in [*running.items()]:
                    if stop.requested:
                        training.stop()
                    if ended := training.poll():
                        _report(training.trial, ended)
                        del running[gpu]
                        free.append(gpu)
                        stop.requested |= training.stopped
                        changed()
            if stop.requested:
                raise KeyboardInterrupt
        finally:
            for training in running.values():
                training.kill()


def _begin(trial: RunningTrial, base: Base, folder: Path, gpu: str | None) -> Training | None:
    """Start the training of a trial; one whose values do not go together fails at once."""
    _report(trial, ", ".join(f"{key} {short_value(value)}" for key, value in trial.values.items()))
    try:
        return Training(trial, base, folder, gpu)
    except FastPatentError as error:
        trial.fail(str(error))
        _report(trial, f"failed: {error}")
        return None


def rank(study: Study, rankings: Rankings, changed: Callable[[], None]) -> None:
    """Run trials that only rank, until there are no more; Ctrl-C ends it at once."""
    while trial := study.next():
        try:
            value = rankings.measure(trial.values)
            if math.isnan(value):
                raise FastPatentError(f"no {rankings.metric} of {rankings.splits.name} was measured")
        except FastPatentError as error:
            trial.fail(str(error))
            ended = f"failed: {error}"
        else:
            trial.finish(value)
            ended = f"{rankings.metric} {value:.4f}"
        settings = ", ".join(f"{key} {short_value(value)}" for key, value in trial.values.items())
        _report(trial, f"{ended}  {settings}")
        changed()


def _report(trial: RunningTrial, what: str) -> None:
    logger.info(f"{trial.name}  {what}")
