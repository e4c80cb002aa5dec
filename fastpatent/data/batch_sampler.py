"""The stream of training samples, cut into global batches, and each batch into one slice per process."""

from collections.abc import Iterator

from fastpatent.data.samplers import Sampler
from fastpatent.errors import ConfigError


class BatchStream:
    """Iterate over one process's share of the training batches.

    Global batch b is the entries b * batch_size up to (b + 1) * batch_size of the sampler's passes one after another;
    process r of w takes the r-th of w equal, contiguous slices, so that joining the slices in rank order restores it. The
    stream is endless, except that it ends before a pass that has yet to be mined and continues there when iterated again.

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
        self.offset = rank * self.local

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        position = self.start_batch * self.batch_size + self.offset
        number: int | None = None
        indices: list[int] = []
        while True:
            entries = []
            for place in range(position, position + self.local):
                wanted, within = divmod(place, self.sampler.pass_length)
                if wanted != number:
                    found = self.sampler.indices(wanted)
                    if found is None and number is None:
                        raise ValueError(f"pass {wanted} was not mined")
                    if found is None:
                        self.start_batch = position // self.batch_size
                        return
                    number, indices = wanted, found.tolist()
                entries.append((place, indices[within]))
            yield entries
            position += self.batch_size


class OrderedBatches:
    """Iterate once over `count` samples in order, in lists of (position, index) as `BatchStream` yields them."""

    def __init__(self, count: int, batch_size: int) -> None:
        self.count, self.batch_size = count, batch_size

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for start in range(0, self.count, self.batch_size):
            yield [(index, index) for index in range(start, min(start + self.batch_size, self.count))]
