"""Tuples of a query, a positive and negatives that a network mined from a random pool (Radenovic et al., TPAMI 2019)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from yacs.config import CfgNode

from fastpatent.data.records import Sample
from fastpatent.data.samplers import SAMPLERS, Sampler
from fastpatent.errors import CheckpointError, ConfigError, DataError


class Choice(NamedTuple):
    """What one pass is mined from: int64 [queries] queries and their positives, int64 [pool] samples; all are indices."""

    queries: np.ndarray
    positives: np.ndarray
    pool: np.ndarray


class MinedTupleSampler(Sampler):
    """A pass is random queries, each with a random other sample of its identity, and negatives that `take` is given.

    Queries, positives and pool are a function of the seed and the number of the pass. The negatives depend on the network:
    `fastpatent.engine.mining` finds them before each pass, and `indices` knows that pass alone. An epoch is one pass.

    Args:
        labels: int [samples], 0..n-1.
        batch_size: samples in a batch of all processes together; a multiple of a tuple's 2 + `negatives`.
        queries: tuples of a pass; fewer where fewer samples have another of their identity, and so that batches are full.
        pool: samples to mine from; all where there are fewer.
        negatives: of a tuple, each of another identity.
        seed: not negative.

    Attributes:
        shape: (queries, 2 + negatives) of a pass.
        number, tuples: the pass that is known, as it was given to `take`; None before the first.

    Raises:
        ConfigError: the batch does not hold whole tuples, or more than a pass has; DataError: no identity has two samples.
    """

    group_name = "tuples"
    needs_mining = True

    def __init__(
        self, labels: Sequence[int] | np.ndarray, batch_size: int, queries: int, pool: int, negatives: int, seed: int
    ) -> None:
        self.labels, self.seed, self.pool, self.negatives = np.asarray(labels), seed, pool, negatives
        self.group_size = self.unit_size = width = 2 + negatives
        if batch_size % width:
            raise ConfigError(
                f"SOLVER.IMS_PER_BATCH: {batch_size} is not a multiple of {width}, a query, its positive and "
                f"DATALOADER.MINING.NEGATIVES {negatives}"
            )
        self._order = np.argsort(self.labels, kind="stable")
        self._counts = np.bincount(self.labels)
        self._starts = np.cumsum(self._counts) - self._counts
        self._eligible = np.flatnonzero(self._counts[self.labels] > 1)
        if not len(self._eligible):
            raise DataError("MinedTupleSampler: no identity has two drawings, one to ask with and one to be found")
        per_batch = batch_size // width
        usable = min(queries, len(self._eligible)) // per_batch * per_batch
        if not usable:
            raise ConfigError(
                f"SOLVER.IMS_PER_BATCH: {batch_size} takes {per_batch} queries a batch, but DATALOADER.MINING.QUERIES is "
                f"{queries}, and {len(self._eligible)} drawings have another of their identity"
            )
        self.shape, self.pass_length = (usable, width), usable * width
        self.number: int | None = None
        self.tuples: np.ndarray | None = None

    def epoch_length(self, samples: int) -> int:
        """See `Sampler`: one pass."""
        return self.pass_length

    def choose(self, number: int) -> Choice:
        """Return the Choice of pass `number`; DataError where the pool has too few identities."""
        generator = np.random.default_rng([self.seed, number])
        queries = generator.permutation(self._eligible)[: self.shape[0]]
        pool = np.sort(generator.permutation(len(self.labels))[: self.pool])
        found = len(np.unique(self.labels[pool]))
        if found <= self.negatives:
            raise DataError(
                f"DATALOADER.MINING.POOL: {len(pool)} drawings hold only {found} identities, and "
                f"DATALOADER.MINING.NEGATIVES {self.negatives} needs {self.negatives + 1} or more"
            )
        counts = self._counts[self.labels[queries]]
        place = np.empty_like(self._order)  # of each drawing among those of its identity
        place[self._order] = np.arange(len(self._order)) - self._starts[self.labels[self._order]]
        others = (place[queries] + 1 + generator.integers(counts - 1)) % counts
        return Choice(queries, self._order[self._starts[self.labels[queries]] + others], pool)

    def take(self, number: int, tuples: np.ndarray) -> None:
        """Make int64 [queries, 2 + negatives], each row query, positive and negatives, the pass `number`.

        Raises:
            CheckpointError: they are of another shape, as in a checkpoint of other settings, or of no images here.
        """
        if tuples.shape != self.shape:
            raise CheckpointError(
                f"--resume: the run had {tuples.shape[0]} tuples of {tuples.shape[1]} drawings an epoch, now there are "
                f"{self.shape[0]} of {self.shape[1]}; resume with the same data and DATALOADER.MINING"
            )
        if tuples.dtype != np.int64 or tuples.min(initial=0) < 0 or tuples.max(initial=0) >= len(self.labels):
            raise CheckpointError(f"--resume: the mined tuples are not those of {len(self.labels)} images")
        self.number, self.tuples = number, tuples

    def indices(self, number: int) -> np.ndarray | None:
        """Return pass `number` as int64 [pass_length], tuple after tuple; None where it is not the one that is known."""
        return self.tuples.reshape(-1) if self.tuples is not None and number == self.number else None


@SAMPLERS.register(name="MinedTupleSampler")
def build_mined_tuple_sampler(
    cfg: CfgNode, labels: Sequence[int], samples: Sequence[Sample] | None = None
) -> MinedTupleSampler:
    """Read SOLVER.IMS_PER_BATCH, DATALOADER.MINING and SEED."""
    mining = cfg.DATALOADER.MINING
    return MinedTupleSampler(labels, cfg.SOLVER.IMS_PER_BATCH, mining.QUERIES, mining.POOL, mining.NEGATIVES, cfg.SEED)
