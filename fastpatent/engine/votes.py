"""What several processes decide together, as to stop: they vote every few seconds, all after the same step."""

import time

import torch
import torch.distributed as dist

from fastpatent.distributed import world_size

PERIOD = 2.0  # seconds between two votes, if the steps stay as fast as they were
FASTEST = 1e-3  # seconds; no step of a training takes less


class Votes:
    """Counts the steps until the next vote, by the pace of the slowest process since the last. The first step has one."""

    def __init__(self) -> None:
        self._steps = self._left = 1
        self._since = time.monotonic()

    def any(self, *words: bool) -> tuple[bool, ...]:
        """Return for each word whether it is true in any process; False between two votes.

        Every process has to call this after each step. A single one has its own words back.
        """
        if world_size() == 1:
            return words
        self._left -= 1
        if self._left:
            return (False,) * len(words)
        votes = torch.tensor([*words, (time.monotonic() - self._since) / self._steps])
        dist.all_reduce(votes, dist.ReduceOp.MAX)
        *found, pace = votes.tolist()
        self._steps = self._left = max(int(PERIOD / max(pace, FASTEST)), 1)
        self._since = time.monotonic()
        return tuple(map(bool, found))
