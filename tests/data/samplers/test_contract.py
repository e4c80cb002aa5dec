"""What loaders, the trainer and the miner ask of every registered sampler, see `fastpatent.data.samplers`."""

import numpy as np
import pytest

from fastpatent.data.records import DRAWING, PHOTO, Sample
from fastpatent.data.samplers import SAMPLERS, Sampler

# group_size, group_name and unit_size with 2 images of an identity and 2 negatives; the samples of an epoch, None: all
EXPECTED = {
    "TrainingSampler": (1, "samples", 1, None),
    "NaiveIdentitySampler": (2, "identities", 1, None),
    "BalancedIdentitySampler": (2, "identities", 1, None),
    "CrossDomainSampler": (2, "identities", 2, None),
    "MinedTupleSampler": (4, "tuples", 4, 8),
}


@pytest.fixture
def build(cfg):
    """Function (name) -> sampler over 7 identities of 2 drawings and 3 photographs, in batches of 8."""
    cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE = 8, 2
    cfg.DATALOADER.MINING.NEGATIVES, cfg.DATALOADER.MINING.QUERIES, cfg.DATALOADER.MINING.POOL = 2, 3, 30
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(7), 5))
    seen = np.zeros(7, int)
    samples = []
    for label in labels:
        samples.append(Sample("p", str(label), DRAWING if seen[label] < 2 else PHOTO))
        seen[label] += 1
    return lambda name: SAMPLERS.get(name)(cfg, labels, samples)


def test_every_sampler_is_listed_here():
    assert SAMPLERS.names() == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_groups_epochs_and_mining(name, build):
    sampler = build(name)
    group_size, group_name, unit_size, epoch = EXPECTED[name]
    assert isinstance(sampler, Sampler)
    assert (sampler.group_size, sampler.group_name, sampler.unit_size) == (group_size, group_name, unit_size)
    assert sampler.pass_length % group_size == 0
    assert sampler.epoch_length(35) == (epoch or 35)
    assert sampler.needs_mining == (sampler.indices(0) is None)


@pytest.mark.parametrize("name", [name for name in EXPECTED if name != "MinedTupleSampler"])
def test_a_pass_has_its_length_and_whole_groups(name, build):
    sampler = build(name)
    for number in (0, 3):
        indices = sampler.indices(number)
        assert indices.dtype == np.int64 and len(indices) == sampler.pass_length, f"{number=}"
        assert 0 <= indices.min() and indices.max() < 35, f"{number=}"
        if sampler.group_name == "identities":
            labels = sampler.labels[indices].reshape(-1, sampler.group_size)
            assert (labels == labels[:, :1]).all(), f"{number=}"


def test_a_mined_pass_is_the_one_that_was_given(build):
    sampler = build("MinedTupleSampler")
    tuples = np.arange(8).reshape(2, sampler.group_size)
    sampler.take(5, tuples)
    assert sampler.pass_length == sampler.epoch_length(35) == tuples.size
    np.testing.assert_array_equal(sampler.indices(5), tuples.reshape(-1))
    assert sampler.indices(6) is None


def test_a_sampler_of_ones_own_has_the_defaults():
    sampler = Sampler()
    assert (sampler.group_size, sampler.unit_size, sampler.needs_mining, sampler.epoch_length(12)) == (1, 1, False, 12)
    with pytest.raises(NotImplementedError):
        sampler.indices(0)
