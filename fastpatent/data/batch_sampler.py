"""The stream of training samples, cut into global batches, and each batch into one share per process."""

from collections.abc import Iterator

import numpy as np

from fastpatent.data.samplers import Sampler
from fastpatent.errors import ConfigError


class BatchStream:
    """Iterate over one process's share of the training batches.

    Global batch b is the entries b * batch_size up to (b + 1) * batch_size of the sampler's passes one after another;
    its units (see `Sampler.unit_size`) go to the processes in turn, so that each has samples of as many identities as it
    can. Shares of no whole number of units are contiguous slices. The stream is endless, except that it ends before a pass
    that has yet to be mined and continues there when iterated again.

    Args:
        sampler: see `fastpatent.data.samplers`.
        batch_size: samples in a batch of all processes together.
        rank, world_size: which of how many processes.
        start_batch: where every iteration starts.

    Yields:
        list of (position in the stream, index of the sample), batch_size // world_size long.

    Raises:
        ConfigError: the batch does not divide by the processes.
    """

    def __init__(self, sampler: Sampler, batch_size: int, rank: int = 0, world_size: int = 1, start_batch: int = 0) -> None:
        if batch_size < 1 or batch_size % world_size:
            raise ConfigError(
                f"SOLVER.IMS_PER_BATCH: {batch_size} does not divide into {world_size} equal parts, one per process"
            )
        self.sampler, self.batch_size, self.start_batch = sampler, batch_size, start_batch
        self.local = batch_size // world_size
        unit = self.local if self.local % sampler.unit_size else sampler.unit_size
        self.places = np.arange(batch_size).reshape(-1, world_size, unit)[:, rank].ravel().tolist()  # in a global batch

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        start = self.start_batch * self.batch_size
        number: int | None = None
        indices: list[int] = []
        while True:
            entries = []
            for place in self.places:
                wanted, within = divmod(start + place, self.sampler.pass_length)
                if wanted != number:
                    found = self.sampler.indices(wanted)
                    if found is None and number is None:
                        raise ValueError(f"pass {wanted} was not mined")
                    if found is None:
                        self.start_batch = start // self.batch_size
                        return
                    number, indices = wanted, found.tolist()
                entries.append((start + place, indices[within]))
            yield entries
            start += self.batch_size


class OrderedBatches:
    """Iterate once over `count` samples in order, in lists of (position, index) as `BatchStream` yields them."""

    def __init__(self, count: int, batch_size: int) -> None:
        self.count, self.batch_size = count, batch_size

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for start in range(0, self.count, self.batch_size):
            yield [(index, index) for index in range(start, min(start + self.batch_size, self.count))]
