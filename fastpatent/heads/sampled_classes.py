"""Sampled class weights (Partial FC, An et al., CVPR 2022): an iteration uses some classes, the others stay in host memory.

The device stores rows, gradients, moments and logits of the sampled classes only, as for a network with so few classes.
Each iteration copies rows and moments to the device and back, through pinned memory of a CUDA GPU; the copy back
synchronises with the device once.
"""

from typing import Any

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from fastpatent.device import to_device
from fastpatent.distributed import gather_labels
from fastpatent.errors import ConfigError

# These update element-wise, so that a row and its moments do not depend on other rows.
OPTIMIZERS = ("Adam", "AdamW", "SGD")


class SampledClasses(nn.Module):
    """All class weights of a head, in host memory, and the classes currently in its parameter `weight`.

    The state dict of the head has all class weights as `weight`, as without sampling.

    Args:
        head: module that will own `weight`, the rows of `count` classes.
        table: float [classes * sub-centres, dim] on the CPU.
        num_classes: number of classes.
        count: number of sampled classes per iteration, limited to num_classes.

    Attributes:
        table: all class weights; neither parameter nor buffer, so they stay on the CPU.
        num_classes, count: see Args.
        classes: int64 [count], ascending, the classes of this iteration, on the device of the head.
        places: int64 [count * sub-centres], their rows in `table`, on the CPU.
    """

    classes: torch.Tensor

    def __init__(self, head: nn.Module, table: torch.Tensor, num_classes: int, count: int) -> None:
        super().__init__()
        self.table, self.num_classes, self.count = table, num_classes, min(count, num_classes)
        self.register_buffer("classes", torch.arange(self.count), persistent=False)
        self.places = self.places_of(torch.arange(self.count))
        head.register_state_dict_post_hook(_save_all_classes)
        head.register_load_state_dict_pre_hook(_load_all_classes)

    def columns(self, targets: torch.Tensor) -> torch.Tensor:
        """Return the indices of targets int64 [batch] in the classes of this iteration."""
        return torch.searchsorted(self.classes, targets)

    def rows(self) -> torch.Tensor:
        """Return the class weights of this iteration, float [count * sub-centres, dim] on the CPU."""
        return self.table[self.places]

    def choose(self, classes: torch.Tensor) -> None:
        """Set the classes of this iteration: int64 [count] on the CPU, ascending."""
        self.classes.copy_(to_device(classes, self.classes.device))
        self.places = self.places_of(classes)

    def places_of(self, classes: torch.Tensor) -> torch.Tensor:
        """Return the row indices in `table` of int64 [classes], in their order."""
        per_class = len(self.table) // self.num_classes
        return (classes[:, None] * per_class + torch.arange(per_class)).flatten()


class ClassExchange:
    """Copies weights and moments of the sampled classes to the device before each iteration and back afterwards.

    Call `draw` before the forward pass. The copy back is a hook of `optimizer.step`, so a skipped step changes nothing. In
    between `weight` is an ordinary parameter for schedules, clipping, gradient scaling and DistributedDataParallel. The
    state dict of the optimizer has the moments of all classes, so a resumed run is bit-identical, also with another number
    of sampled classes.

    Classes that are not sampled have no weight decay either. The bias correction of Adam counts the iterations of the run,
    not those of a class: a class first sampled late starts with updates up to 6.6 times as large (maximum for betas 0.9 and
    0.999).

    Args:
        head: ClassifyingHead with `sampled`.
        optimizer: one of OPTIMIZERS, over the `weight` of the head.
        seed: of the run; with the iteration it determines the sampled classes.

    Attributes:
        moments: {name: float of the shape of the table}, the optimizer state of all rows, on the CPU.
    """

    def __init__(self, head: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
        weight = head.weight
        assert isinstance(weight, nn.Parameter)
        self.weight, self.sampled, self.optimizer, self.seed = weight, _sampled_of(head), optimizer, seed
        self.moments = {name: torch.zeros_like(self.sampled.table) for name in self._on_device() if name}
        optimizer.register_step_post_hook(self._store)
        optimizer.register_state_dict_post_hook(self._save)
        optimizer.register_load_state_dict_pre_hook(self._load)

    @torch.no_grad()
    def draw(self, targets: torch.Tensor, iteration: int) -> None:
        """Copy the classes of the global batch and random others to the device, the same ones in every process.

        Args:
            targets: int64 [batch], the classes of the local batch.
            iteration: of the run, from 0.

        Raises:
            ConfigError: the global batch has more classes than are sampled.
        """
        needed = gather_labels(targets).cpu().unique()
        self.sampled.choose(sample_classes(needed, self.sampled.num_classes, self.sampled.count, (self.seed, iteration)))
        here = self._on_device()
        for name, table in {"": self.sampled.table, **self.moments}.items():
            value = here[name]
            rows = torch.empty(value.shape, dtype=table.dtype, pin_memory=value.is_cuda)  # kept until it is copied
            torch.index_select(table, 0, self.sampled.places, out=rows)
            value.copy_(rows, non_blocking=value.is_cuda)

    def _on_device(self) -> dict[str, torch.Tensor]:
        """Return {name: rows of this iteration}: the weights as "", and the moments once there are some."""
        state = self.optimizer.state.get(self.weight, {})
        return {"": self.weight.detach()} | {name: value for name, value in state.items() if _has_rows(value, self.weight)}

    def _store(self, *_: object) -> None:
        tables = {"": self.sampled.table, **self.moments}
        # without waiting, torch copies to pinned memory
        sent = {name: value.to("cpu", non_blocking=value.is_cuda) for name, value in self._on_device().items()}
        if self.weight.is_cuda:
            torch.cuda.current_stream(self.weight.device).synchronize()
        for name, rows in sent.items():
            if name not in tables:
                tables[name] = self.moments[name] = torch.zeros_like(self.sampled.table)
            tables[name].index_copy_(0, self.sampled.places, rows)

    def _number(self) -> int:
        """Return the index of `weight` in the state dict of the optimizer."""
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        return next(number for number, parameter in enumerate(parameters) if parameter is self.weight)

    def _save(self, _: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        number = self._number()
        if number in state["state"]:
            state["state"][number] = {**state["state"][number], **self.moments}

    def _load(self, _: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any] | None:
        number = self._number()
        if number not in state["state"]:
            return None
        saved = state["state"][number]
        self.moments = {name: value.clone() for name, value in saved.items() if _has_rows(value, self.sampled.table)}
        rows = {name: value[self.sampled.places] for name, value in self.moments.items()}
        return {**state, "state": {**state["state"], number: {**saved, **rows}}}


def sample_classes(needed: torch.Tensor, num_classes: int, count: int, seed: tuple[int, ...]) -> torch.Tensor:
    """Return the needed classes and random others, int64 [count], ascending, deterministic for a seed.

    Args:
        needed: int64 [any], unique, on the CPU.
        num_classes: classes are 0..num_classes - 1.
        count: number of classes to return.
        seed: ints of at least 0.

    Raises:
        ConfigError: more than `count` classes are needed.
    """
    if len(needed) > count:
        raise ConfigError(
            f"MODEL.HEADS.SAMPLED_CLASSES is {count}, but a batch has {len(needed)} identities; "
            "set it to SOLVER.IMS_PER_BATCH or more"
        )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(num_classes))
    others = torch.ones(num_classes, dtype=torch.bool)
    others[needed] = False
    return torch.cat([needed, order[others[order]][: count - len(needed)]]).sort().values


def build_class_exchange(cfg: CfgNode, head: nn.Module | None, optimizer: torch.optim.Optimizer) -> ClassExchange | None:
    """Return the ClassExchange of MODEL.HEADS.SAMPLED_CLASSES; None if it is 0 or no loss uses logits.

    Raises:
        ConfigError: the head has no class weights to sample, or SOLVER.OPT cannot update them row by row.
    """
    if not cfg.MODEL.HEADS.SAMPLED_CLASSES:
        return None
    if head is None or getattr(head, "sampled", None) is None:
        raise ConfigError(f"MODEL.HEADS.SAMPLED_CLASSES: {cfg.MODEL.META_ARCHITECTURE} has no class weights to sample")
    if cfg.SOLVER.OPT not in OPTIMIZERS:
        raise ConfigError(f"MODEL.HEADS.SAMPLED_CLASSES: SOLVER.OPT must be one of {', '.join(OPTIMIZERS)}")
    return ClassExchange(head, optimizer, cfg.SEED) if head.weight.requires_grad else None


def _has_rows(value: object, like: torch.Tensor) -> bool:
    return isinstance(value, torch.Tensor) and value.shape == like.shape


def _sampled_of(head: nn.Module) -> SampledClasses:
    sampled = head.sampled
    assert isinstance(sampled, SampledClasses)
    return sampled


def _save_all_classes(head: nn.Module, state: dict[str, Any], prefix: str, _: dict[str, Any]) -> None:
    state[f"{prefix}weight"] = _sampled_of(head).table


def _load_all_classes(
    head: nn.Module,
    state: dict[str, Any],
    prefix: str,
    _: dict[str, Any],
    strict: bool,
    missing: list[str],
    unexpected: list[str],
    errors: list[str],
) -> None:
    sampled = _sampled_of(head)
    found, table = state.get(f"{prefix}weight"), sampled.table
    if found is None:
        return
    if found.shape == table.shape:
        table.copy_(found)
    else:
        errors.append(f"size mismatch for {prefix}weight: {list(found.shape)}, not {list(table.shape)}")
    state[f"{prefix}weight"] = sampled.rows()
