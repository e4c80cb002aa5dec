"""P identities x K samples per batch (Hermans et al., 2017): every identity once a pass, in random order."""

from collections.abc import Sequence

import numpy as np
from yacs.config import CfgNode

from fastpatent.data.records import Sample
from fastpatent.data.samplers import SAMPLERS, Sampler
from fastpatent.errors import ConfigError


class IdentitySampler(Sampler):
    """Shuffle the identities, give each `num_instance` samples, drop the identities that do not fill a whole batch.

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
        per_batch = batch_size // num_instance
        if len(self.counts) < per_batch:
            raise ConfigError(
                f"SOLVER.IMS_PER_BATCH: {batch_size} at DATALOADER.NUM_INSTANCE {num_instance} takes {per_batch} identities "
                f"a batch, the training set has {len(self.counts)}"
            )
        self.identities_per_pass = len(self.counts) // per_batch * per_batch
        self.pass_length = self.identities_per_pass * num_instance
        self.labels = labels
        self.starts = np.cumsum(self.counts) - self.counts

    def indices(self, number: int) -> np.ndarray:
        """Return pass `number` as int64 [pass_length], the samples of one identity side by side."""
        generator = np.random.default_rng([self.seed, number])
        identities = generator.permutation(len(self.counts))[: self.identities_per_pass]
        return self.choose(generator, number, identities).reshape(-1)

    def choose(self, generator: np.random.Generator, number: int, identities: np.ndarray) -> np.ndarray:
        """Return int64 [identities, num_instance]: samples of each of `identities` in pass `number`."""
        raise NotImplementedError


class NaiveIdentitySampler(IdentitySampler):
    """Choose anew in every pass: without replacement where an identity has enough samples, else with replacement."""

    def choose(self, generator: np.random.Generator, number: int, identities: np.ndarray) -> np.ndarray:
        """See `IdentitySampler.choose`."""
        shuffled = np.lexsort((generator.random(len(self.labels)), self.labels))
        counts = self.counts[identities, None]
        again = generator.integers(counts, size=(len(identities), self.num_instance))
        places = np.where(counts >= self.num_instance, np.arange(self.num_instance), again)
        return shuffled[self.starts[identities, None] + places]


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
