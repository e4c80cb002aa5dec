"""Mean losses of the last steps, fetched from the device without waiting for it."""

from collections import defaultdict

import torch
import torch.distributed as dist

from fastpatent.distributed import world_size


class LossMeter:
    """Sums losses on the device; `send` starts fetching their means, `arrived` gives what has come.

    Args:
        device: torch.device of the losses.
    """

    def __init__(self, device):
        self.device = device
        self._sums, self._count = defaultdict(float), 0
        self._sent = []

    def add(self, losses):
        """Add the losses of a batch, or of each of its equal parts: a dict of scalar tensors."""
        for name, value in losses.items():
            self._sums[name] = self._sums[name] + value.detach()
        self._count += 1

    def send(self, note):
        """Start fetching the means since the last call, over all processes; `note` comes back with them."""
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

    def arrived(self, wait=False):
        """Return [(note, {name: mean})] of what has arrived since the last call; all that was sent, where `wait` says so."""
        found = []
        while self._sent and (wait or self._sent[0][3] is None or self._sent[0][3].query()):
            note, names, means, event = self._sent.pop(0)
            if event:
                event.synchronize()
            found.append((note, dict(zip(names, means.tolist()))))
        return found
