"""Every drawing once a pass, shuffled."""

import numpy as np

from fastpatent.data.samplers import SAMPLERS


class TrainingSampler:
    """A new random order of all drawings in every pass; batches run on across the end of a pass.

    Args:
        count: number of drawings.
        seed: not negative.
    """

    def __init__(self, count, seed):
        self.pass_length, self.seed = count, seed

    def indices(self, number):
        """Return pass `number` as int64 [pass_length]."""
        return np.random.default_rng([self.seed, number]).permutation(self.pass_length)


@SAMPLERS.register(name="TrainingSampler")
def build_training_sampler(cfg, labels, samples=None):
    """Read SEED."""
    return TrainingSampler(len(labels), cfg.SEED)
