"""Every drawing once a pass."""

import numpy as np

from fastpatent.data.samplers import SAMPLERS
from fastpatent.data.samplers.training import TrainingSampler


def test_a_pass_is_a_permutation_of_its_own():
    sampler = TrainingSampler(101, 3)
    passes = [sampler.indices(number) for number in range(5)]
    for indices in passes:
        np.testing.assert_array_equal(np.sort(indices), np.arange(101))
    assert len({tuple(indices) for indices in passes}) == 5
    np.testing.assert_array_equal(TrainingSampler(101, 3).indices(4), passes[4])
    assert (TrainingSampler(101, 4).indices(4) != passes[4]).any()


def test_built_from_the_config(cfg):
    cfg.SEED = 5
    sampler = SAMPLERS.get("TrainingSampler")(cfg, [0, 0, 1])
    assert (sampler.pass_length, sampler.seed) == (3, 5)
