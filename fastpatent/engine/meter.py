"""Mean losses: of the last steps, fetched from the device without waiting for it, and of an epoch, with its speed."""

import time
from typing import Any

import torch
import torch.distributed as dist

from fastpatent.distributed import world_size

LARGEST = 1e300  # of a number that is restored


class LossMeter:
    """Sums losses on the device; `send` starts fetching their means, `arrived` returns those that have arrived.

    Args:
        device: torch.device of the losses.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._sums: dict[str, torch.Tensor] = {}
        self._count = 0
        self._sent: list[tuple[Any, list[str], torch.Tensor, torch.cuda.Event | None]] = []

    def add(self, losses: dict[str, torch.Tensor]) -> None:
        """Add the losses of a batch, or of each of its equal parts: a dict of scalar tensors."""
        for name, value in losses.items():
            value = value.detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()
        self._count += 1

    def send(self, note: Any) -> None:
        """Start fetching the means since the last call, over all processes; `note` is returned with them."""
        means = torch.stack(list(self._sums.values())) / self._count
        if world_size() > 1:
            dist.all_reduce(means)
            means /= world_size()
        event = None
        if self.device.type == "cuda":
            host = torch.empty(means.shape, pin_memory=True)
            means, event = host.copy_(means, non_blocking=True), torch.cuda.Event()
            event.record()
        self._sent.append((note, list(self._sums), means, event))
        self._sums.clear()
        self._count = 0

    def arrived(self, wait: bool = False) -> list[tuple[Any, dict[str, float]]]:
        """Return [(note, {name: mean})] of what has arrived since the last call; with `wait`, of all that was sent."""
        found = []
        while self._sent and (wait or (event := self._sent[0][3]) is None or event.query()):
            note, names, means, event = self._sent.pop(0)
            if event:
                event.synchronize()
            found.append((note, dict(zip(names, means.tolist()))))
        return found

    def state(self) -> dict[str, Any]:
        """Return what was added since `send` as plain values, the mean over all processes; each of them must call this."""
        if not self._sums:
            return {"sums": {}, "count": 0}
        totals = torch.stack([*self._sums.values()])
        if world_size() > 1:
            dist.all_reduce(totals)
            totals /= world_size()
        return {"sums": dict(zip(self._sums, totals.tolist())), "count": self._count}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`; ValueError, TypeError, LookupError or AttributeError where it is none."""
        sums, count = _numbers(state["sums"]), _numbers({"count": state["count"]})["count"]
        if count < 0:
            raise ValueError(f"{count:g} steps")
        self._sums = {name: torch.tensor(value, device=self.device) for name, value in sums.items()}
        self._count = int(count)


class EpochMeter:
    """What history.jsonl has of an epoch: mean losses, seconds, speed. A run that is stopped within one carries it on."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin an epoch."""
        self._sums: dict[str, float] = {}
        self._steps = self._timed_steps = 0
        self._rate: float | None = None
        self._training_seconds = self._seconds = 0.0
        self._begun = time.monotonic()

    def add(self, losses: dict[str, float], steps: int, timed_steps: int, seconds: float, rate: float) -> None:
        """Add mean losses of some steps, and the seconds of those of them that this process took."""
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * steps
        self._steps += steps
        self._timed_steps += timed_steps
        self._training_seconds += seconds
        self._rate = rate

    def line(self, batch_size: int) -> dict[str, Any]:
        """Return {seconds: with mining and evaluation; images_per_second: of the steps; lr: the last; losses: means}."""
        speed = self._timed_steps * batch_size / self._training_seconds if self._training_seconds else None
        losses = {name: total / self._steps for name, total in self._sums.items()}
        return {"seconds": self._elapsed(), "images_per_second": speed, "lr": self._rate, "losses": losses}

    def state(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        numbers = {"steps": self._steps, "timed_steps": self._timed_steps, "training_seconds": self._training_seconds}
        return {**numbers, "seconds": self._elapsed(), "rate": self._rate, "sums": self._sums}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`; errors as of `LossMeter.restore`."""
        sums = _numbers(state["sums"])
        numbers = _numbers({name: state[name] for name in ("steps", "timed_steps", "training_seconds", "seconds")})
        if min(numbers.values()) < 0 or bool(sums) != (numbers["steps"] >= 1):
            raise ValueError(f"its numbers contradict each other: {numbers}")
        self.reset()
        self._sums, self._rate = sums, None if state["rate"] is None else _numbers({"rate": state["rate"]})["rate"]
        self._steps, self._timed_steps = int(numbers["steps"]), int(numbers["timed_steps"])
        self._training_seconds, self._seconds = numbers["training_seconds"], numbers["seconds"]

    def _elapsed(self) -> float:
        return self._seconds + time.monotonic() - self._begun


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    """Return {name: number} as floats; ValueError where one is not finite, or none."""
    for name, value in values.items():
        if not isinstance(value, (int, float)) or not abs(value) < LARGEST:
            raise ValueError(f"{str(name)[:100]} is no finite number")
    return {str(name): float(value) for name, value in values.items()}
