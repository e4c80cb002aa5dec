"""Mean losses of the last steps, fetched from the device without waiting for it."""

from typing import Any

import torch
import torch.distributed as dist

from fastpatent.distributed import world_size


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
