"""P identities x K drawings a batch (Hermans et al., 2017): every identity once a pass, in random order."""

import numpy as np

from fastpatent.data.samplers import SAMPLERS
from fastpatent.errors import ConfigError


class IdentitySampler:
    """Shuffle the identities, give each `num_instance` drawings, drop the identities that fill no whole batch.

    No batch holds an identity twice. How the drawings of an identity are chosen is the subclass's matter.

    Args:
        labels: int [drawings], 0..n-1, each at least once.
        batch_size: drawings in a batch of all processes together; a multiple of `num_instance`.
        num_instance: drawings of an identity, K.
        seed: not negative.

    Raises:
        ConfigError: the batch cannot be filled so.
    """

    def __init__(self, labels, batch_size, num_instance, seed):
        self.seed, self.num_instance = seed, num_instance
        labels = np.asarray(labels)
        if num_instance < 1 or batch_size % num_instance:
            raise ConfigError(f"SOLVER.IMS_PER_BATCH: {batch_size} is no multiple of DATALOADER.NUM_INSTANCE {num_instance}")
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

    def indices(self, number):
        """Return pass `number` as int64 [pass_length], the drawings of one identity side by side."""
        generator = np.random.default_rng([self.seed, number])
        identities = generator.permutation(len(self.counts))[: self.identities_per_pass]
        return self.choose(generator, number, identities).reshape(-1)

    def choose(self, generator, number, identities):
        """Return int64 [identities, num_instance]: drawings of each of `identities` in pass `number`."""
        raise NotImplementedError


class NaiveIdentitySampler(IdentitySampler):
    """Draw afresh in every pass: without replacement where an identity has enough drawings, with it elsewhere."""

    def choose(self, generator, number, identities):
        """See `IdentitySampler.choose`."""
        shuffled = np.lexsort((generator.random(len(self.labels)), self.labels))
        counts = self.counts[identities, None]
        again = generator.integers(counts, size=(len(identities), self.num_instance))
        places = np.where(counts >= self.num_instance, np.arange(self.num_instance), again)
        return shuffled[self.starts[identities, None] + places]


class BalancedIdentitySampler(IdentitySampler):
    """Use an identity's drawings evenly: K neighbours in a random ring of its n drawings, the next K in the next pass.

    After n / gcd(n, K) passes every drawing was taken equally often, and the ring is shuffled again. With n < K a drawing
    is taken K // n times a pass or once more.
    """

    def __init__(self, labels, batch_size, num_instance, seed):
        super().__init__(labels, batch_size, num_instance, seed)
        self.passes_per_ring = (self.counts // np.gcd(self.counts, num_instance))[self.labels]

    def choose(self, generator, number, identities):
        """See `IdentitySampler.choose`."""
        keys = np.empty(len(self.labels))
        for passes in np.unique(self.passes_per_ring).tolist():  # few: one for each number of drawings, at most
            these = self.passes_per_ring == passes
            # the last 1 keeps these apart from the generator of pass `passes`
            keys[these] = np.random.default_rng([self.seed, passes, number // passes, 1]).random(np.count_nonzero(these))
        ring = np.lexsort((keys, self.labels))
        places = (number * self.num_instance + np.arange(self.num_instance)) % self.counts[identities, None]
        return ring[self.starts[identities, None] + places]


@SAMPLERS.register(name="NaiveIdentitySampler")
def build_naive_identity_sampler(cfg, labels, samples=None):
    """Read SOLVER.IMS_PER_BATCH, DATALOADER.NUM_INSTANCE and SEED."""
    return NaiveIdentitySampler(labels, cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE, cfg.SEED)


@SAMPLERS.register(name="BalancedIdentitySampler")
def build_balanced_identity_sampler(cfg, labels, samples=None):
    """Read SOLVER.IMS_PER_BATCH, DATALOADER.NUM_INSTANCE and SEED."""
    return BalancedIdentitySampler(labels, cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE, cfg.SEED)
