"""The learning rate as a function of the iteration alone, so that a resumed run needs no scheduler state."""

import math
from typing import NamedTuple

import torch
from yacs.config import CfgNode


class Schedule(NamedTuple):
    """Warm-up by iterations, then steps or a cosine by epochs.

    `t` below is the number of epochs that have ended after the warm-up, the epoch in which it ends included, less those that
    `delay_epochs` holds back. The cosine has max_epoch - max(warm-up in whole epochs, delay_epochs) epochs.
    """

    name: str
    batches_per_epoch: int
    max_epoch: int
    delay_epochs: int
    warmup_iters: int
    warmup_factor: float
    warmup_method: str
    steps: tuple[float, ...]
    gamma: float
    eta_min: float

    def learning_rate(self, initial: float, iteration: int) -> float:
        """Return the rate of a group whose base rate is `initial` at `iteration`, counted from 0."""
        if iteration < self.warmup_iters:
            alpha = iteration / self.warmup_iters if self.warmup_method == "linear" else 0.0
            return initial * (self.warmup_factor * (1 - alpha) + alpha)
        warmup_epochs = math.ceil(self.warmup_iters / self.batches_per_epoch)
        t = max(iteration // self.batches_per_epoch - max(warmup_epochs - 1, self.delay_epochs), 0)
        if self.name == "MultiStepLR":
            return initial * self.gamma ** sum(t >= step for step in self.steps)
        length = max(self.max_epoch - max(warmup_epochs, self.delay_epochs), 1)
        return self.eta_min + (initial - self.eta_min) * (1 + math.cos(math.pi * t / length)) / 2

    def apply(self, optimizer: torch.optim.Optimizer, iteration: int) -> float:
        """Set every group's rate for `iteration`; return the first group's."""
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate(group["initial_lr"], iteration)
        return optimizer.param_groups[0]["lr"]


def build_schedule(cfg: CfgNode, batches_per_epoch: int) -> Schedule:
    """Return the Schedule of SOLVER.SCHED, STEPS, GAMMA, ETA_MIN_LR, DELAY_EPOCHS and the warm-up."""
    solver = cfg.SOLVER
    return Schedule(
        name=solver.SCHED,
        batches_per_epoch=batches_per_epoch,
        max_epoch=solver.MAX_EPOCH,
        delay_epochs=solver.DELAY_EPOCHS,
        warmup_iters=solver.WARMUP_ITERS,
        warmup_factor=solver.WARMUP_FACTOR,
        warmup_method=solver.WARMUP_METHOD,
        steps=tuple(solver.STEPS),
        gamma=solver.GAMMA,
        eta_min=solver.ETA_MIN_LR,
    )
