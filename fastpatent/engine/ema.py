"""Exponential moving average of a network's weights (Polyak & Juditsky, 1992), to evaluate and to save."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class WeightAverage:
    """Holds average <- d average + (1 - d) weights over the steps, d = min(decay, (1 + t) / (10 + t)) in step t, from 0.

    The rising decay soon forgets the random initial weights. Running statistics are averaged as weights are. What is not of
    floating point (counters), or is stored outside the network (class centres that no step has sampled), is the network's
    own at any time.

    Args:
        model: the network in training, on its device; the average starts as what it is now.
        decay: SOLVER.EMA.DECAY, in [0, 1).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        own: dict[str, torch.Tensor] = dict([*model.named_parameters(), *model.named_buffers()])
        state = model.state_dict(keep_vars=True)
        names = [name for name, value in state.items() if value is own.get(name) and value.is_floating_point()]
        self._weights = [own[name].detach() for name in names]  # in the network's own memory
        self._average = {name: own[name].detach().clone() for name in names}

    def decay_at(self, step: int) -> float:
        """Return d of step `step`."""
        return min(self.decay, (1 + step) / (10 + step))

    def update(self, step: int) -> None:
        """Add the weights after step `step`; nothing in it waits for the device."""
        torch._foreach_lerp_(list(self._average.values()), self._weights, 1 - self.decay_at(step))  # pyright: ignore[reportPrivateImportUsage]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within this block the network has the averaged weights."""
        trained = [weight.clone() for weight in self._weights]
        torch._foreach_copy_(self._weights, list(self._average.values()))  # pyright: ignore[reportPrivateImportUsage]
        try:
            yield
        finally:
            torch._foreach_copy_(self._weights, trained)  # pyright: ignore[reportPrivateImportUsage]

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the network with averaged weights."""
        return {**self.model.state_dict(), **self._average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the average that `state_dict` returned; ValueError where it is of another network."""
        for name, value in self._average.items():
            if state[name].shape != value.shape:
                raise ValueError(f"{name} of {list(value.shape)} is {list(state[name].shape)} in the average")
            value.copy_(state[name])
