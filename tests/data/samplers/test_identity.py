"""Identity samplers against plain counting."""

from collections import Counter
from math import gcd

import numpy as np
import pytest
from scipy import stats

from fastpatent.data.samplers import SAMPLERS
from fastpatent.data.samplers.identity import BalancedIdentitySampler, NaiveIdentitySampler
from fastpatent.errors import ConfigError

BOTH = pytest.mark.parametrize("kind", [NaiveIdentitySampler, BalancedIdentitySampler])


def shuffled_labels(counts, seed=0):
    """Labels of `counts[i]` drawings of identity i, in no order."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


@BOTH
def test_batches_hold_whole_and_different_identities(kind):
    for batch_size, num_instance in [(8, 4), (12, 2), (6, 1), (16, 16), (40, 8)]:
        labels = shuffled_labels([1, 2, 3, 4, 5, 7, 8, 9, 16, 40, 3])
        sampler = kind(labels, batch_size, num_instance, 0)
        per_batch = batch_size // num_instance
        assert sampler.pass_length > 0 and sampler.pass_length % batch_size == 0, f"{batch_size=}, {num_instance=}"
        seen = set()
        for number in range(7):
            indices = sampler.indices(number)
            assert len(indices) == sampler.pass_length, f"{batch_size=}, {num_instance=}"
            of_pass = labels[indices].reshape(-1, num_instance)
            assert (of_pass == of_pass[:, :1]).all(), f"{batch_size=}, {num_instance=}"
            for batch in of_pass[:, 0].reshape(-1, per_batch).tolist():
                assert len(set(batch)) == per_batch, f"{batch_size=}, {num_instance=}"
            for group in indices.reshape(-1, num_instance):
                available = int((labels == labels[group[0]]).sum())
                if available >= num_instance:
                    assert len(set(group.tolist())) == num_instance, f"{batch_size=}, {num_instance=}"
            seen.add(tuple(indices.tolist()))
        assert len(seen) == 7, f"{batch_size=}, {num_instance=}"


@BOTH
def test_every_identity_once_a_pass_and_the_dropped_ones_vary(kind):
    labels = shuffled_labels([4] * 10)
    sampler = kind(labels, 8, 4, 0)
    assert all(set(labels[sampler.indices(number)]) == set(range(10)) for number in range(5))
    odd = kind(shuffled_labels([4] * 11), 8, 4, 0)
    dropped = [set(range(11)) - set(odd.labels[odd.indices(number)].tolist()) for number in range(30)]
    assert all(len(identities) == 1 for identities in dropped) and len(set.union(*dropped)) > 5


@BOTH
def test_pass_is_a_function_of_seed_and_number(kind):
    labels = shuffled_labels([5, 2, 9, 4])
    sampler = kind(labels, 8, 4, 1)
    expected = [sampler.indices(number).tolist() for number in range(6)]
    for number in (5, 0, 3):
        assert kind(labels, 8, 4, 1).indices(number).tolist() == expected[number]
        assert kind(labels, 8, 4, 2).indices(number).tolist() != expected[number]


def test_balanced_uses_drawings_evenly():
    """Within a pass counts differ by one at most; over a ring of passes they are equal."""
    for available in [1, 2, 3, 4, 5, 6, 7, 8, 12, 17]:
        for num_instance in [1, 3, 4, 8]:
            labels = shuffled_labels([available, 3])
            sampler = BalancedIdentitySampler(labels, num_instance * 2, num_instance, 0)
            ring = available // gcd(available, num_instance)
            for first in (0, ring, 4 * ring):
                total = Counter()
                for number in range(first, first + ring):
                    taken = [index for index in sampler.indices(number).tolist() if labels[index] == 0]
                    assert len(taken) == num_instance, f"{available=}, {num_instance=}"
                    counts = Counter(taken)
                    assert (
                        max(counts.values()) - min(counts[index] for index in np.flatnonzero(labels == 0).tolist()) <= 1
                    ), f"{available=}, {num_instance=}"
                    total.update(counts)
                assert set(total.values()) == {ring * num_instance // available} and len(total) == available, (
                    f"{available=}, {num_instance=}"
                )


def test_balanced_reshuffles_between_rings():
    labels = shuffled_labels([8, 8])
    sampler = BalancedIdentitySampler(labels, 8, 4, 0)
    halves = set()
    for number in range(0, 40, 2):
        halves.add(frozenset(index for index in sampler.indices(number).tolist() if labels[index] == 0))
    assert len(halves) > 12


def published_batches(counts, per_batch, num_instance, generator):
    """How many batches fast-reid's NaiveIdentitySampler draws in a pass: until too few identities have samples left."""
    left = np.maximum(counts // num_instance, 1)
    for batches in range(len(counts) * max(left)):
        if np.count_nonzero(left) < per_batch:
            return batches
        left[generator.choice(np.flatnonzero(left), per_batch, replace=False)] -= 1


@pytest.mark.parametrize("shape", ["even", "geometric"])
@pytest.mark.parametrize("per_batch, num_instance", [(16, 4), (8, 16), (4, 1)])
def test_a_naive_pass_takes_every_image_about_once(shape, per_batch, num_instance):
    """No image of an identity with K or more twice, and as many batches as in fast-reid, where their number is random."""
    generator = np.random.default_rng(0)
    counts = generator.integers(1, 14, 1000) if shape == "even" else generator.geometric(1 / 7, 1000)
    labels = shuffled_labels(counts)
    sampler = NaiveIdentitySampler(labels, per_batch * num_instance, num_instance, 0)
    published = [published_batches(counts, per_batch, num_instance, generator) for _ in range(3)]
    assert 0 <= sampler.pass_length // (per_batch * num_instance) - max(published) <= 0.02 * max(published)
    for number in range(3):
        indices = sampler.indices(number)
        turns = np.bincount(labels[indices[::num_instance]], minlength=1000)
        assert (turns <= np.maximum(counts // num_instance, 1)).all()
        drawn = np.bincount(indices, minlength=len(labels))
        assert drawn[counts[labels] >= num_instance].max(initial=0) <= 1
        lost = np.maximum(counts // num_instance, 1).sum() - turns.sum()
        assert lost < per_batch * 5, "all but the last few groups are drawn"


def test_naive_takes_identities_at_random():
    """Two of twelve equal identities in each of six batches: every pair of places is as likely."""
    sampler = NaiveIdentitySampler(np.repeat(np.arange(12), 2), 4, 2, 0)
    places = np.zeros((12, 6))
    for number in range(1200):
        places[np.arange(12), np.argsort(sampler.indices(number)[::2] // 2) // 2] += 1
    assert stats.chisquare(places.reshape(-1)).pvalue > 1e-3


def test_naive_fills_all_batches_that_large_identities_allow():
    """Identity 0 fills no batch alone: of its 25 groups only as many count as batches can be made with the others."""
    sampler = NaiveIdentitySampler(shuffled_labels([100, 8, 8, 4]), 8, 4, 0)
    assert sampler.pass_length == 5 * 8
    assert (np.bincount(sampler.labels[sampler.indices(0)])[0] // 4, len(set(sampler.indices(0).tolist()))) == (5, 40)


def test_naive_draws_few_samples_with_replacement():
    labels = shuffled_labels([6, 2, 4])
    sampler = NaiveIdentitySampler(labels, 12, 4, 0)
    counts = Counter()
    for number in range(1500):
        counts.update(sampler.indices(number).tolist())
    for identity, available in ((0, 6), (1, 2), (2, 4)):
        expected = 1500 * 4 / available
        spread = 5 * np.sqrt(expected)
        assert all(abs(counts[index] - expected) < spread for index in np.flatnonzero(labels == identity).tolist())
    assert {counts[index] for index in np.flatnonzero(labels == 2).tolist()} == {1500}


@BOTH
def test_batches_that_cannot_be_filled_are_refused(kind):
    with pytest.raises(ConfigError, match="SOLVER.IMS_PER_BATCH: 10 is not a multiple of DATALOADER.NUM_INSTANCE 4"):
        kind([0, 1, 2], 10, 4, 0)
    with pytest.raises(ConfigError, match="16 at DATALOADER.NUM_INSTANCE 4 takes 4 identities a batch, .* has 3"):
        kind([0, 1, 2, 2], 16, 4, 0)


def test_a_pass_over_deeppatent_is_quick(cfg):
    """33,364 identities, 254,787 drawings: a pass is some 500,000 entries long and takes well under two seconds."""
    cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE = 128, 16
    counts = np.random.default_rng(0).integers(1, 14, 33364)
    sampler = SAMPLERS.get("BalancedIdentitySampler")(cfg, np.repeat(np.arange(33364), counts))
    assert sampler.indices(10**6).shape == (33364 // 8 * 128,)
    naive = SAMPLERS.get("NaiveIdentitySampler")(cfg, sampler.labels)
    assert naive.indices(10**6).shape == (naive.pass_length,)
