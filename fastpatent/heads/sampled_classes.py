"""Sampled class centres (Partial FC, An et al., CVPR 2022): a step compares with some classes, the others wait on the host.

The device holds, for the weights of the classes of one step, what it would hold for a network of so few classes: rows,
gradient, moments and logits. Each step moves rows and moments to the device and back, and waits for it while they return.
"""

import numpy as np
import torch
from torch import nn

from fastpatent.distributed import gather_labels
from fastpatent.errors import ConfigError

# Element by element, so that a row and its moments can be updated without the others.
OPTIMIZERS = ("Adam", "AdamW", "SGD")


class SampledClasses(nn.Module):
    """All class weights of a head, in host memory, and which of them its parameter `weight` holds at present.

    The head's state dict has all of them as `weight`: it is that of a network whose classes are not sampled.

    Args:
        head: module that will own `weight`, the rows of `count` classes.
        table: float [classes * sub-centres, dim] on the CPU.
        num_classes: how many classes there are.
        count: how many take part in a step; all, where there are fewer.

    Attributes:
        table: that tensor. It is neither parameter nor buffer, so it stays on the CPU.
        num_classes, count: those numbers.
        classes: int64 [count], ascending: the classes of this step, on the head's device.
    """

    def __init__(self, head, table, num_classes, count):
        super().__init__()
        self.table, self.num_classes, self.count = table, num_classes, min(count, num_classes)
        self.register_buffer("classes", torch.arange(self.count), persistent=False)
        self.places = self.places_of(torch.arange(self.count))
        head.register_state_dict_post_hook(_save_all_classes)
        head.register_load_state_dict_pre_hook(_load_all_classes)

    def columns(self, targets):
        """Return the places of targets int64 [batch] among the classes of this step."""
        return torch.searchsorted(self.classes, targets)

    def rows(self):
        """Return the class weights of this step, float [count * sub-centres, dim] on the CPU."""
        return self.table[self.places]

    def choose(self, classes):
        """Make int64 [count] on the CPU, ascending, the classes of this step."""
        self.classes.copy_(classes)
        self.places = self.places_of(classes)

    def places_of(self, classes):
        """Return the rows of the table that belong to int64 [classes], in their order."""
        per_class = len(self.table) // self.num_classes
        return (classes[:, None] * per_class + torch.arange(per_class)).flatten()


class ClassExchange:
    """Brings the classes of each step to the device, weights and moments, and back to host memory after it.

    `draw` is called before the forward pass. The way back follows every `optimizer.step` by itself: a step that is refused
    leaves the rows as they were. In between `weight` is a parameter like any other to schedules, clipping, gradient
    scaling and DistributedDataParallel. The optimizer's state dict has the moments of all classes, so a run is resumed to
    the bit, even with another number of sampled classes.

    A class that is not drawn is not decayed either. Adam's bias correction counts the steps of the run, not those of a
    class: one that is first drawn late begins with steps up to 6.6 times as long (largest ratio for betas 0.9 and 0.999).

    Args:
        head: ClassifyingHead with `sampled`.
        optimizer: torch optimizer of OPTIMIZERS over the head's `weight`.
        seed: of the run; with the iteration it decides which classes are drawn.
    """

    def __init__(self, head, optimizer, seed):
        self.weight, self.sampled, self.optimizer, self.seed = head.weight, head.sampled, optimizer, seed
        self.moments = {}  # all rows of what the optimizer keeps for each row, as they are on the device
        optimizer.register_step_post_hook(self._store)
        optimizer.register_state_dict_post_hook(self._save)
        optimizer.register_load_state_dict_pre_hook(self._load)

    @torch.no_grad()
    def draw(self, targets, iteration):
        """Bring the classes of a batch, of all processes, and random others to the device; the same in every process.

        Args:
            targets: int64 [batch], the classes of this process's drawings.
            iteration: of the run, from 0.

        Raises:
            ConfigError: the batch has more classes than are sampled.
        """
        needed = gather_labels(targets).cpu().unique()
        self.sampled.choose(sample_classes(needed, self.sampled.num_classes, self.sampled.count, (self.seed, iteration)))
        self.weight.copy_(self.sampled.rows())
        for name, value in self._kept_by_row().items():
            value.copy_(self.moments[name][self.sampled.places])

    def _kept_by_row(self):
        """Return {name: tensor of the shape of `weight`} of the optimizer's state; empty before the first step."""
        state = self.optimizer.state.get(self.weight, {})
        return {name: value for name, value in state.items() if _has_rows(value, self.weight)}

    def _store(self, *_):
        places = self.sampled.places
        self.sampled.table[places] = self.weight.detach().cpu()
        for name, value in self._kept_by_row().items():
            if name not in self.moments:
                self.moments[name] = torch.zeros_like(self.sampled.table)
            self.moments[name][places] = value.cpu()

    def _number(self):
        """Return the number under which the optimizer's state dict keeps `weight`."""
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        return next(number for number, parameter in enumerate(parameters) if parameter is self.weight)

    def _save(self, _, state):
        number = self._number()
        if number in state["state"]:
            state["state"][number] = {**state["state"][number], **self.moments}

    def _load(self, _, state):
        number = self._number()
        if number not in state["state"]:
            return None
        saved = state["state"][number]
        self.moments = {name: value.clone() for name, value in saved.items() if _has_rows(value, self.sampled.table)}
        rows = {name: value[self.sampled.places] for name, value in self.moments.items()}
        return {**state, "state": {**state["state"], number: {**saved, **rows}}}


def sample_classes(needed, num_classes, count, seed):
    """Return the needed classes and random others, int64 [count], ascending, the same for the same seed.

    Args:
        needed: int64 [any] without repeats, on the CPU.
        num_classes: classes are 0..num_classes - 1.
        count: how many to return.
        seed: tuple of ints of at least 0.
    """
    if len(needed) > count:
        raise ConfigError(
            f"MODEL.HEADS.SAMPLED_CLASSES is {count}, but a batch has drawings of {len(needed)} identities; "
            f"write at least SOLVER.IMS_PER_BATCH"
        )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(num_classes))
    others = torch.ones(num_classes, dtype=torch.bool)
    others[needed] = False
    return torch.cat([needed, order[others[order]][: count - len(needed)]]).sort().values


def build_class_exchange(cfg, model, optimizer):
    """Return the ClassExchange of MODEL.HEADS.SAMPLED_CLASSES; None where it is 0 or no loss reads logits.

    Raises:
        ConfigError: the model has no class weights to sample, or SOLVER.OPT cannot update them row by row.
    """
    if not cfg.MODEL.HEADS.SAMPLED_CLASSES:
        return None
    head = getattr(model, "heads", None)
    if getattr(head, "sampled", None) is None:
        raise ConfigError(f"MODEL.HEADS.SAMPLED_CLASSES: {cfg.MODEL.META_ARCHITECTURE} has no class weights to sample")
    if cfg.SOLVER.OPT not in OPTIMIZERS:
        raise ConfigError(f"MODEL.HEADS.SAMPLED_CLASSES: SOLVER.OPT must be one of {', '.join(OPTIMIZERS)}")
    return ClassExchange(head, optimizer, cfg.SEED) if head.weight.requires_grad else None


def _has_rows(value, like):
    return torch.is_tensor(value) and value.shape == like.shape


def _save_all_classes(head, state, prefix, _):
    state[f"{prefix}weight"] = head.sampled.table


def _load_all_classes(head, state, prefix, _, strict, missing, unexpected, errors):
    found, table = state.get(f"{prefix}weight"), head.sampled.table
    if found is None:
        return
    if found.shape == table.shape:
        table.copy_(found)
    else:
        errors.append(f"size mismatch for {prefix}weight: {list(found.shape)}, not {list(table.shape)}")
    state[f"{prefix}weight"] = head.sampled.rows()
