"""Exponential moving average of a network's weights (Polyak & Juditsky, 1992), to evaluate and to keep."""

from contextlib import contextmanager

import torch


class WeightAverage:
    """Keeps average <- d average + (1 - d) weights over the steps, d = min(decay, (1 + t) / (10 + t)) in step t, from 0.

    The rising decay lets the random weights of the beginning be forgotten soon. Running statistics are averaged as weights
    are. What is not of floating point (counters), or waits outside the network (class centres that no step has drawn), is
    the network's own at any time.

    Args:
        model: the network in training, on its device; the average starts as what it is now.
        decay: SOLVER.EMA.DECAY, in [0, 1).
    """

    def __init__(self, model, decay):
        self.model, self.decay = model, decay
        own = dict([*model.named_parameters(), *model.named_buffers()])
        state = model.state_dict(keep_vars=True)
        names = [name for name, value in state.items() if value is own.get(name) and value.is_floating_point()]
        self._weights = [own[name].detach() for name in names]  # in the network's own memory
        self._average = {name: own[name].detach().clone() for name in names}

    def decay_at(self, step):
        """Return d of step `step`."""
        return min(self.decay, (1 + step) / (10 + step))

    def update(self, step):
        """Add the weights after step `step`; nothing in it waits for the device."""
        torch._foreach_lerp_(list(self._average.values()), self._weights, 1 - self.decay_at(step))

    @contextmanager
    def in_place(self):
        """Within this block the network has the averaged weights."""
        trained = [weight.clone() for weight in self._weights]
        torch._foreach_copy_(self._weights, list(self._average.values()))
        try:
            yield
        finally:
            torch._foreach_copy_(self._weights, trained)

    def state_dict(self):
        """Return the state of the network with averaged weights."""
        return {**self.model.state_dict(), **self._average}

    def load_state_dict(self, state):
        """Take up the average where `state_dict` gave it."""
        for name, value in self._average.items():
            value.copy_(state[name])
