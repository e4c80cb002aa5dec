"""P identities x K samples per batch (Hermans et al., 2017), the identities in random order."""

from collections.abc import Sequence

import numpy as np
from yacs.config import CfgNode

from fastpatent.data.records import Sample
from fastpatent.data.samplers import SAMPLERS, Sampler
from fastpatent.errors import ConfigError


class IdentitySampler(Sampler):
    """Every identity once a pass with `num_instance` samples; those that do not fill a whole batch are dropped.

    No batch holds an identity twice. Subclasses choose the samples of an identity.

    Args:
        labels: int [samples], 0..n-1, each at least once.
        batch_size: samples in a batch of all processes together; a multiple of `num_instance`.
        num_instance: samples of an identity, K.
        seed: not negative.

    Raises:
        ConfigError: the batch cannot be filled so.
    """

    group_name = "identities"

    def __init__(self, labels: Sequence[int] | np.ndarray, batch_size: int, num_instance: int, seed: int) -> None:
        self.seed, self.num_instance, self.group_size = seed, num_instance, num_instance
        labels = np.asarray(labels)
        if batch_size % num_instance:
            raise ConfigError(
                f"SOLVER.IMS_PER_BATCH: {batch_size} is not a multiple of DATALOADER.NUM_INSTANCE {num_instance}"
            )
        self.counts = np.bincount(labels)
        self.per_batch = batch_size // num_instance
        if len(self.counts) < self.per_batch:
            raise ConfigError(
                f"SOLVER.IMS_PER_BATCH: {batch_size} at DATALOADER.NUM_INSTANCE {num_instance} takes {self.per_batch} "
                f"identities a batch, the training set has {len(self.counts)}"
            )
        self.pass_length = len(self.counts) // self.per_batch * batch_size
        self.labels = labels
        self.starts = np.cumsum(self.counts) - self.counts

    def indices(self, number: int) -> np.ndarray:
        """Return pass `number` as int64 [pass_length], the samples of one identity side by side."""
        generator = np.random.default_rng([self.seed, number])
        return self.choose(generator, number, self.identities(generator)).reshape(-1)

    def identities(self, generator: np.random.Generator) -> np.ndarray:
        """Return the identities of a pass, batch after batch, int64 [pass_length / num_instance]."""
        return generator.permutation(len(self.counts))[: self.pass_length // self.num_instance]

    def choose(self, generator: np.random.Generator, number: int, identities: np.ndarray) -> np.ndarray:
        """Return int64 [identities, num_instance]: samples of each of `identities` in pass `number`."""
        raise NotImplementedError


class NaiveIdentitySampler(IdentitySampler):
    """Every sample about once a pass: an identity of n samples comes n // K times, each time with K others of them.

    An identity with n < K comes once, its samples drawn with replacement. Each batch takes its identities at random from
    those that have samples left, as in fast-reid. There a pass ends where too few of them are left for a batch, so that its
    length is random; here it always has as many batches as can be filled: a run is resumed by the number of the pass.
    """

    def __init__(self, labels: Sequence[int] | np.ndarray, batch_size: int, num_instance: int, seed: int) -> None:
        super().__init__(labels, batch_size, num_instance, seed)
        self.turns = np.maximum(self.counts // num_instance, 1)  # of each identity in a pass
        batches = self.turns.sum() // self.per_batch
        # An identity comes at most once a batch, so that what a large one has beyond that fills no batch.
        while (filled := np.minimum(self.turns, batches).sum() // self.per_batch) < batches:
            batches = filled
        self.pass_length = int(batches) * batch_size

    def identities(self, generator: np.random.Generator) -> np.ndarray:
        """See `IdentitySampler.identities`."""
        turns, batches = self.turns.copy(), []
        for left in range(self.pass_length // (self.per_batch * self.num_instance), 0, -1):
            needed = turns >= left  # in every batch from here on
            batch = generator.permutation(np.flatnonzero(needed))[: self.per_batch]
            others = np.flatnonzero((turns > 0) & ~needed)
            batch = np.append(batch, generator.choice(others, self.per_batch - len(batch), replace=False))
            turns[batch] -= 1
            batches.append(batch)
        return np.concatenate(batches)

    def choose(self, generator: np.random.Generator, number: int, identities: np.ndarray) -> np.ndarray:
        """See `IdentitySampler.choose`."""
        shuffled = np.lexsort((generator.random(len(self.labels)), self.labels))
        order = np.argsort(identities, kind="stable")
        turns = np.empty_like(order)  # how often the identity came before
        turns[order] = np.arange(len(order)) - np.searchsorted(identities[order], identities[order])
        counts = self.counts[identities, None]
        again = generator.integers(counts, size=(len(identities), self.num_instance))
        fresh = turns[:, None] * self.num_instance + np.arange(self.num_instance)
        return shuffled[self.starts[identities, None] + np.where(counts >= self.num_instance, fresh, again)]


class BalancedIdentitySampler(IdentitySampler):
    """Use an identity's samples evenly: K neighbours in a random ring of its n samples, the next K in the next pass.

    After n / gcd(n, K) passes every sample was used equally often, and the ring is shuffled again. With n < K a sample
    is used K // n times a pass or once more.
    """

    def __init__(self, labels: Sequence[int] | np.ndarray, batch_size: int, num_instance: int, seed: int) -> None:
        super().__init__(labels, batch_size, num_instance, seed)
        self.passes_per_ring = (self.counts // np.gcd(self.counts, num_instance))[self.labels]

    def choose(self, generator: np.random.Generator, number: int, identities: np.ndarray) -> np.ndarray:
        """See `IdentitySampler.choose`."""
        keys = np.empty(len(self.labels))
        for passes in np.unique(self.passes_per_ring).tolist():  # few: at most one for each number of samples
            these = self.passes_per_ring == passes
            # the last 1 keeps these apart from the generator of pass `passes`
            keys[these] = np.random.default_rng([self.seed, passes, number // passes, 1]).random(np.count_nonzero(these))
        ring = np.lexsort((keys, self.labels))
        places = (number * self.num_instance + np.arange(self.num_instance)) % self.counts[identities, None]
        return ring[self.starts[identities, None] + places]


@SAMPLERS.register(name="NaiveIdentitySampler")
def build_naive_identity_sampler(
    cfg: CfgNode, labels: Sequence[int], samples: Sequence[Sample] | None = None
) -> NaiveIdentitySampler:
    """Read SOLVER.IMS_PER_BATCH, DATALOADER.NUM_INSTANCE and SEED."""
    return NaiveIdentitySampler(labels, cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE, cfg.SEED)


@SAMPLERS.register(name="BalancedIdentitySampler")
def build_balanced_identity_sampler(
    cfg: CfgNode, labels: Sequence[int], samples: Sequence[Sample] | None = None
) -> BalancedIdentitySampler:
    """Read SOLVER.IMS_PER_BATCH, DATALOADER.NUM_INSTANCE and SEED."""
    return BalancedIdentitySampler(labels, cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE, cfg.SEED)
