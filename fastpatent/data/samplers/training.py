"""Every sample once a pass, shuffled."""

from collections.abc import Sequence

import numpy as np
from yacs.config import CfgNode

from fastpatent.data.records import Sample
from fastpatent.data.samplers import SAMPLERS, Sampler


class TrainingSampler(Sampler):
    """A new random order of all samples in every pass; a batch may reach across the end of a pass.

    Args:
        count: number of samples.
        seed: not negative.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.pass_length, self.seed = count, seed

    def indices(self, number: int) -> np.ndarray:
        """Return pass `number` as int64 [pass_length]."""
        return np.random.default_rng([self.seed, number]).permutation(self.pass_length)


@SAMPLERS.register(name="TrainingSampler")
def build_training_sampler(cfg: CfgNode, labels: Sequence[int], samples: Sequence[Sample] | None = None) -> TrainingSampler:
    """Read SEED."""
    return TrainingSampler(len(labels), cfg.SEED)
