"""The training loop. A run that is stopped anywhere resumes to the bit."""

import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel
from yacs.config import CfgNode

from fastpatent import distributed
from fastpatent.data.loader import TrainLoader
from fastpatent.device import Precision
from fastpatent.engine.checkpoint import (
    BEST,
    FINAL,
    INTERRUPTED,
    kinds_of,
    random_state,
    remove_old_checkpoints,
    restore_random_state,
    save_checkpoint,
)
from fastpatent.engine.curves import Curves
from fastpatent.engine.ema import WeightAverage
from fastpatent.engine.freeze import Freezer
from fastpatent.engine.interrupt import StopSignal
from fastpatent.engine.meter import EpochMeter, LossMeter
from fastpatent.engine.mining import Miner
from fastpatent.engine.nonfinite import LossGuard
from fastpatent.engine.optimizer import build_clipper, build_optimizer, load_optimizer_state, optimizer_state
from fastpatent.engine.prefetch import Batch, DeviceFeed
from fastpatent.engine.schedule import build_schedule
from fastpatent.engine.votes import Votes
from fastpatent.errors import CheckpointError, ConfigError
from fastpatent.heads.sampled_classes import build_class_exchange
from fastpatent.models import Network
from fastpatent.progress import ProgressLine
from fastpatent.registry import METRICS

LOG_PERIOD = 20  # steps between two reports of the losses
logger = logging.getLogger(__name__)


@dataclass
class Position:
    """How far a run is.

    Attributes:
        iteration: steps taken.
        finished_epochs: epochs whose evaluation and checkpoint are done.
        best: the best BEST_METRIC so far, -1 before the first.
        best_epoch: when it was reached.
    """

    iteration: int = 0
    finished_epochs: int = 0
    best: float = -1.0
    best_epoch: int = 0


class Trainer:
    """Trains a network on the batches of a loader.

    Args:
        cfg: the configuration (SOLVER, MODEL.FREEZE_LAYERS, TEST.EVAL_PERIOD, OUTPUT_DIR).
        model: the network, on `device`.
        loader: endless batches from the position in `checkpoint`; has `batches_per_epoch`, the `samples` that the indices of
            a batch count through, and `augmentation`, see `DeviceFeed`.
        device, precision: where and in which number format to compute.
        evaluate: function of (model, epoch) that returns the metric that chooses the best checkpoint, on the first process;
            None where there is none.
        curves: of the first process, or None.
        checkpoint: a state that an earlier Trainer saved, or None.
        metric: name of what `evaluate` returns.
        origin: what every checkpoint holds of the run, see `fastpatent.engine.resume`.
        record: function of what history.jsonl has of an epoch, called after its evaluation and before its checkpoint; on the
            first process.
    """

    def __init__(
        self,
        cfg: CfgNode,
        model: Network,
        loader: TrainLoader,
        device: torch.device,
        precision: Precision,
        evaluate: Callable[[Network, int], float | None],
        curves: Curves | None = None,
        checkpoint: dict[str, Any] | None = None,
        metric: str = "mAP",
        origin: dict[str, Any] | None = None,
        record: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.cfg, self.model, self.loader, self.curves = cfg, model, loader, curves
        self.device, self.precision, self._evaluate, self.metric = device, precision, evaluate, metric
        self.origin, self._record = origin or {}, record
        self.batches_per_epoch = loader.batches_per_epoch
        self.total = cfg.SOLVER.MAX_EPOCH * self.batches_per_epoch
        self.optimizer = build_optimizer(cfg, model)
        self.exchange = build_class_exchange(cfg, model.head, self.optimizer)
        self.schedule = build_schedule(cfg, self.batches_per_epoch)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision.dtype == torch.float16)
        self.freezer = Freezer(model, cfg.MODEL.FREEZE_LAYERS, cfg.SOLVER.FREEZE_ITERS)
        self.clip = build_clipper(cfg, self.optimizer, self.freezer.parameters)
        self.parts = batch_parts(cfg, loader)
        self.miner = Miner(cfg, model, loader, device, precision) if loader.sampler.needs_mining else None
        self.average = WeightAverage(model, cfg.SOLVER.EMA.DECAY) if cfg.SOLVER.EMA.ENABLED else None
        self.position = Position()
        self._random: dict[str, Any] | None = None
        self._meter, self._epoch = LossMeter(device), EpochMeter()
        if checkpoint:
            self._restore(checkpoint)
        self._parallel: Any = None
        self._guard, self._noticed = LossGuard(self.optimizer, device, loader.samples, cfg.OUTPUT_DIR), False

    def run(self) -> None:
        """Train to SOLVER.MAX_EPOCH; on Ctrl-C save and raise KeyboardInterrupt.

        A second Ctrl-C may interrupt a step; nothing is saved then, because such a state cannot be resumed to the bit.

        Raises:
            FastPatentError: a loss was not finite; the update was refused and nothing is saved.
        """
        position = self.position
        within_step = False
        self.model.train()
        with StopSignal() as stop, ProgressLine("training", self.total, start=position.iteration) as line:
            try:
                self._finish_epoch(stop)  # a run stopped during an evaluation repeats it
                batches = iter(DeviceFeed(self.loader, self.device))
                if self._random:  # only now: starting a loader uses the generators
                    restore_random_state(self._random, self.device)
                since = time.monotonic()
                waited, steps = 0.0, 0
                votes = Votes()
                while position.iteration < self.total:
                    if self._mine(stop):
                        since = time.monotonic()
                    begun = time.monotonic()
                    batch = next(batches)
                    waited += time.monotonic() - begun
                    within_step = True
                    rate = self.step(batch)
                    within_step = False
                    steps += 1
                    ends_epoch = position.iteration % self.batches_per_epoch == 0
                    if position.iteration % LOG_PERIOD == 0 or ends_epoch:
                        now = time.monotonic()
                        self._meter.send((position.iteration, steps, rate, now - since, waited))
                        since, waited, steps = now, 0.0, 0
                    for note, losses in self._meter.arrived(wait=ends_epoch):
                        self._report(line, losses, *note)
                    if ends_epoch or self._guard.cheap:
                        self._guard.check()
                    if self._finish_epoch(stop):
                        since = time.monotonic()
                    noticed, stopped = votes.any(self._noticed, stop.requested)
                    if noticed:
                        self._guard.check()
                    if stopped:
                        raise KeyboardInterrupt
            except KeyboardInterrupt:
                if within_step:
                    logger.info("stopped within a step; the last checkpoint is valid")
                    raise
                for note, losses in self._meter.arrived(wait=True):
                    self._report(line, losses, *note)
                path = self.save(INTERRUPTED)
                logger.info(f"stopped at iteration {position.iteration}; {path} is saved, continue with --resume")
                distributed.barrier()  # the end of a process ends all
                raise
        self.save(FINAL)

    def step(self, batch: Batch) -> float:
        """Take one optimizer step on a batch; return its learning rate.

        Nothing in it waits for the device, except an optimizer that is not fused, which needs the loss, and float16, which
        checks for overflow. With MODEL.HEADS.SAMPLED_CLASSES it waits for their rows to return.
        """
        if self.freezer.update(self.position.iteration) or self._parallel is None:
            self._parallel = self._wrap()
        rate = self.schedule.apply(self.optimizer, self.position.iteration)
        self.optimizer.zero_grad(set_to_none=True)
        if self.exchange:
            self.exchange.draw(batch.targets, self.position.iteration)
        loss = torch.zeros((), device=self.device)
        for number, part in enumerate(batch.parts(self.parts), start=1):
            alone = distributed.world_size() > 1 and number < self.parts  # gradients are exchanged once, with the last part
            with self._parallel.no_sync() if alone else nullcontext():
                with self.precision.autocast(self.device):
                    losses = self._parallel(*part.inputs)
                if not losses:
                    raise ConfigError("MODEL.LOSSES.NAME is empty, and the network has no loss of its own to train by")
                total: Any = sum(losses.values())
                self.scaler.scale(total / self.parts).backward()
            self._meter.add({"total": total, **losses})
            loss = loss + total.detach()
        self._guard.watch(loss, batch.indices, self.position.iteration + 1)
        if self.clip:
            self.scaler.unscale_(self.optimizer)
            self.clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average:
            self.average.update(self.position.iteration)
        self.position.iteration += 1
        return rate

    def save(self, name: str) -> Path | None:
        """Write folder/name with all that a resumed run needs, and point `last_checkpoint` at it.

        "model" holds the weights to use: with SOLVER.EMA the averaged ones, and "trained" those of the training.
        """
        self._guard.check()
        states, window = distributed.collect(random_state(self.device)), self._meter.state()
        if distributed.rank() > 0:
            return None
        trained = self.model.state_dict()
        weights = {"model": self.average.state_dict(), "trained": trained} if self.average else {"model": trained}
        state = {
            **weights,
            "optimizer": optimizer_state(self.optimizer, self.model),
            "scaler": self.scaler.state_dict(),
            "random": states,
            "epoch": self.position.finished_epochs,
            "metric": self.position.best,
            "best_metric": self.metric,
            "batches_per_epoch": self.batches_per_epoch,
            "mined": self.miner.state() if self.miner else None,
            "window": window,
            "epoch_so_far": self._epoch.state(),
            **self.origin,
            **asdict(self.position),
        }
        path = save_checkpoint(self.cfg.OUTPUT_DIR, name, state)
        remove_old_checkpoints(self.cfg.OUTPUT_DIR, self.cfg.SOLVER.CHECKPOINTS_KEPT)
        return path

    def _restore(self, state: dict[str, Any]) -> None:
        """Continue where `save` stopped; the schedule and the freeze follow from the iteration."""
        if state["batches_per_epoch"] != self.batches_per_epoch:
            raise CheckpointError(
                f"--resume: the run had {state['batches_per_epoch']} batches an epoch, now there are "
                f"{self.batches_per_epoch}; resume with the same data and SOLVER.IMS_PER_BATCH"
            )
        parts: dict[str, Callable[[], Any]] = {
            "the saved run had another network": lambda: self.model.load_state_dict(state.get("trained", state["model"])),
            "the saved average of the weights does not fit them": lambda: (
                self.average and self.average.load_state_dict(state["model"])
            ),
            "the saved state of the optimizer does not fit it": lambda: load_optimizer_state(
                self.optimizer, self.model, state["optimizer"]
            ),
            "the saved scale of the loss is damaged": lambda: self._restore_scale(state["scaler"]),
            "the saved tuples of mining are damaged": lambda: self.miner and self.miner.restore(state["mined"]),
            "the saved losses of its epoch are damaged": lambda: "window" in state and self._restore_losses(state),
        }
        for sentence, restore in parts.items():
            try:
                restore()
            except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
                reason = next(reversed(str(error).splitlines()), type(error).__name__).strip()
                raise CheckpointError(f"--resume: {sentence}: {reason}") from error
        self.position = Position(**{name: state[name] for name in asdict(self.position)})
        self._check_best(state)
        if len(state["random"]) == distributed.world_size():
            self._random = state["random"][distributed.rank()]
        else:
            logger.warning("the run had another number of processes; dropout will use other random numbers")

    def _restore_scale(self, saved: dict[str, Any]) -> None:
        now = self.scaler.state_dict()
        if saved and now:  # both empty without float16
            if kinds_of(saved) != kinds_of(now):
                raise ValueError("it is not as a run with float16 writes it")
            self.scaler.load_state_dict(saved)

    def _restore_losses(self, saved: dict[str, Any]) -> None:
        self._meter.restore(saved["window"])
        self._epoch.restore(saved["epoch_so_far"])

    def _check_best(self, state: dict[str, Any]) -> None:
        """Forget the best checkpoint so far where others cannot be compared with it, or it is gone."""
        if not self.position.best_epoch:
            return
        now = self.metric, self.origin.get("test_set")
        before = state.get("best_metric", now[0]), state.get("test_set", now[1])  # older checkpoints lack them
        if before != now:
            named = [" on ".join(filter(None, names)) for names in (before, now)]
            reason = f"the best checkpoint so far was chosen by {named[0]}, from now on by {named[1]}"
        elif not (Path(self.cfg.OUTPUT_DIR) / BEST).exists():
            reason = f"{BEST} of epoch {self.position.best_epoch} is gone; the next evaluation writes it anew"
        else:
            return
        logger.info(f"--resume: {reason}")
        self.position.best, self.position.best_epoch = Position.best, Position.best_epoch

    def _wrap(self) -> Network | DistributedDataParallel:
        """Share gradients between processes; done anew when the set of trainable parameters changes."""
        if distributed.world_size() == 1:
            return self.model
        # Without device_ids: with them it would move the domains to the GPU.
        return DistributedDataParallel(self.model, broadcast_buffers=False)

    def _mine(self, stop: StopSignal) -> bool:
        """Mine the tuples of the epoch that begins, where the sampler asks for it; return whether it was done."""
        epoch = self.position.iteration // self.batches_per_epoch
        if self.miner is None or self.miner.knows(epoch):
            return False
        with self._at_once(stop):
            self.miner.mine(epoch)
        return True

    def _finish_epoch(self, stop: StopSignal) -> bool:
        """At the end of an epoch evaluate and save where due; return whether an epoch ended."""
        position, solver = self.position, self.cfg.SOLVER
        epoch, rest = divmod(position.iteration, self.batches_per_epoch)
        if rest or epoch == position.finished_epochs:
            return False
        last = epoch == solver.MAX_EPOCH
        period = self.cfg.TEST.EVAL_PERIOD
        if last or (period > 0 and epoch % period == 0):
            with self._at_once(stop):
                self._measure(epoch)
        position.finished_epochs = epoch
        if self._record:
            line = {"epoch": epoch, "iteration": position.iteration, **self._epoch.line(solver.IMS_PER_BATCH)}
            self._record(line)
        self._epoch.reset()
        if epoch % solver.CHECKPOINT_PERIOD == 0 and not last:
            self.save(f"model_{epoch - 1:04d}.pth")
        return True

    def _measure(self, epoch: int) -> None:
        """Evaluate without changing the run's random state, and save the weights where they are the best so far."""
        with self.average.in_place() if self.average else nullcontext():
            distributed.share_buffers(self.model)
            before = random_state(self.device)
            metric = self._evaluate(self.model, epoch)
            restore_random_state(before, self.device)
            self.model.train()
            if distributed.rank() == 0 and metric is not None and self._is_best(metric):
                best = {"model": self.model.state_dict(), "epoch": epoch, "metric": metric}
                save_checkpoint(self.cfg.OUTPUT_DIR, BEST, best, resume_from=False)
                self.position.best, self.position.best_epoch = metric, epoch
        distributed.barrier()

    def _is_best(self, metric: float) -> bool:
        is_better = METRICS.get(self.metric).is_better
        return not math.isnan(metric) and (not self.position.best_epoch or is_better(metric, self.position.best))

    def _report(
        self,
        line: ProgressLine,
        losses: dict[str, float],
        iteration: int,
        steps: int,
        rate: float,
        seconds: float,
        waited: float,
    ) -> None:
        """Show mean losses as of an iteration, or notice that they are not finite."""
        if not math.isfinite(losses["total"]):
            self._noticed = True
            return
        self._guard.passed(iteration)
        speed = steps * self.cfg.SOLVER.IMS_PER_BATCH / seconds
        share = waited / seconds
        before = (iteration - 1) // self.batches_per_epoch  # epochs
        reported = max((iteration - 1) // LOG_PERIOD * LOG_PERIOD, before * self.batches_per_epoch)  # up to this iteration
        self._epoch.add(losses, iteration - reported, steps, seconds, rate)
        line.update(
            iteration,
            f"epoch {before + 1}/{self.cfg.SOLVER.MAX_EPOCH}  loss {losses['total']:.3f}  lr {rate:.2e}  "
            f"{speed:.0f} images/s  waiting for data {share:.0%} ",
        )
        if self.curves:
            values = {f"loss/{name}": value for name, value in losses.items()}
            more = {"lr": rate, "speed/images_per_second": speed, "speed/data_wait": share}
            self.curves.scalars(values | more, iteration)

    @staticmethod
    def _at_once(stop: StopSignal) -> AbstractContextManager[None]:
        """Return the context of work that may be interrupted anywhere; several processes must all finish it."""
        return stop.at_once() if distributed.world_size() == 1 else nullcontext()


def check_batch(cfg: CfgNode, model: Network, loader: TrainLoader) -> None:
    """Raise ConfigError where a batch does not divide as it must, or a batch norm would see a single image at a time."""
    images = loader.batch_size // batch_parts(cfg, loader)
    alone = distributed.world_size() == 1
    norms = (norm for norm in model.modules() if isinstance(norm, torch.nn.modules.batchnorm._BatchNorm))
    if images == 1 and any(alone or not isinstance(norm, torch.nn.SyncBatchNorm) for norm in norms):
        raise ConfigError(
            "SOLVER.IMS_PER_BATCH: the network has batch norms, which need two images or more a process and a part of the "
            "batch (SOLVER.GRAD_ACCUM_STEPS); here it is one"
        )


def batch_parts(cfg: CfgNode, loader: TrainLoader) -> int:
    """Return SOLVER.GRAD_ACCUM_STEPS; ConfigError where a process's share of the batch does not divide into as many.

    A part of all processes together must hold whole groups, and a part of one whole units, see `Sampler`.
    """
    parts, share, sampler = cfg.SOLVER.GRAD_ACCUM_STEPS, loader.batch_size, loader.sampler
    everywhere = share * distributed.world_size()
    if parts > 1 and (share % (parts * sampler.unit_size) or everywhere % (parts * sampler.group_size)):
        whole = f" of whole {sampler.group_name} ({sampler.group_size} images each)" if sampler.group_size > 1 else ""
        raise ConfigError(f"SOLVER.GRAD_ACCUM_STEPS: {share} images a process do not divide into {parts} equal parts{whole}")
    return parts
