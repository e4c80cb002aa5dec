"""Batches of identities with as many drawings as photographs."""

from collections import Counter

import numpy as np
import pytest

from fastpatent.data.records import DRAWING, PHOTO, Sample
from fastpatent.data.samplers import SAMPLERS
from fastpatent.data.samplers.cross_domain import CrossDomainSampler
from fastpatent.errors import ConfigError, DataError


def shuffled(drawings, photos, seed=0):
    """Labels and domains of `drawings[i]` drawings and `photos[i]` photographs of identity i, in no order."""
    labels = np.repeat(np.arange(len(drawings)), np.add(drawings, photos))
    domains = np.concatenate([[DRAWING] * a + [PHOTO] * b for a, b in zip(drawings, photos)])
    order = np.random.default_rng(seed).permutation(len(labels))
    return labels[order], domains[order]


def test_every_group_is_one_identity_half_drawings_half_photographs():
    for batch_size, num_instance in [(8, 4), (12, 2), (6, 6), (24, 8)]:
        drawings, photos = [5, 1, 9, 2, 3, 7], [1, 4, 2, 8, 1, 1]
        labels, domains = shuffled(drawings, photos)
        sampler = CrossDomainSampler(labels, domains, "abcdef", batch_size, num_instance, 0)
        half = num_instance // 2
        taken = Counter()
        for number in range(9):
            groups = sampler.indices(number).reshape(-1, num_instance)
            assert groups.size == sampler.pass_length, f"{batch_size=}, {num_instance=}"
            for group in groups:
                identity = labels[group[0]]
                assert set(labels[group]) == {identity}, f"{batch_size=}, {num_instance=}"
                assert domains[group].tolist() == [DRAWING, PHOTO] * half, f"{batch_size=}, {num_instance=}"
                for side, available in ((group[::2], drawings[identity]), (group[1::2], photos[identity])):
                    if available >= half:
                        assert len(set(side.tolist())) == half, f"{batch_size=}, {num_instance=}"
            identities = labels[groups[:, 0]].reshape(-1, batch_size // num_instance)
            assert all(len(set(batch)) == len(batch) for batch in identities.tolist()), f"{batch_size=}, {num_instance=}"
            taken.update(groups.reshape(-1).tolist())
        assert (
            sampler.indices(3) == CrossDomainSampler(labels, domains, "abcdef", batch_size, num_instance, 0).indices(3)
        ).all(), f"{batch_size=}, {num_instance=}"
        assert (sampler.indices(3) != sampler.indices(4)).any(), f"{batch_size=}, {num_instance=}"


def test_the_drawings_of_an_identity_take_turns():
    labels, domains = shuffled([6, 6], [3, 3])
    sampler = CrossDomainSampler(labels, domains, "ab", 8, 4, 1)
    counts = Counter(np.concatenate([sampler.indices(number) for number in range(600)]).tolist())
    for index, (domain, count) in enumerate(zip(domains, (counts[index] for index in range(len(labels))))):
        expected = 600 * 2 / (6 if domain == DRAWING else 3)
        assert abs(count - expected) < 5 * expected**0.5, index


def test_an_identity_without_one_of_the_domains_is_named(cfg):
    cfg.SOLVER.IMS_PER_BATCH, cfg.DATALOADER.NUM_INSTANCE = 4, 2
    every = [Sample("p", name, domain) for name in ("apple", "bell", "cup") for domain in (DRAWING, PHOTO)]
    for without, word in ((DRAWING, "drawing"), (PHOTO, "photograph")):
        samples = [sample for sample in every if (sample.identity, sample.domain) != ("bell", without)]
        labels = ["apple bell cup".split().index(sample.identity) for sample in samples]
        with pytest.raises(DataError, match=f"^bell: has no {word}"):
            SAMPLERS.get("CrossDomainSampler")(cfg, labels, samples)


def test_settings_that_do_not_fit_are_refused():
    labels, domains = shuffled([2, 2, 2], [2, 2, 2])
    with pytest.raises(ConfigError, match="DATALOADER.NUM_INSTANCE: 3 must be even: half drawings, half photographs"):
        CrossDomainSampler(labels, domains, "abc", 6, 3, 0)
    with pytest.raises(ConfigError, match="takes 4 identities a batch, the training set has 3"):
        CrossDomainSampler(labels, domains, "abc", 8, 2, 0)
