"""What a pass of mined tuples is chosen from, and when its order is known."""

from collections import Counter

import numpy as np
import pytest

from fastpatent.data.samplers import SAMPLERS
from fastpatent.data.samplers.mined import MinedTupleSampler
from fastpatent.errors import CheckpointError, ConfigError, DataError

COUNTS = [1, 2, 5, 3, 1, 4, 2, 6]


def labels_of(counts, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def sampler_of(counts=COUNTS, batch_size=8, queries=10, pool=15, negatives=2, seed=0):
    return MinedTupleSampler(labels_of(counts), batch_size, queries, pool, negatives, seed)


def test_queries_positives_and_pool():
    sampler, labels = sampler_of(), labels_of(COUNTS)
    for number in range(30):
        queries, positives, pool = sampler.choose(number)
        assert len(queries) == len(set(queries.tolist())) == sampler.shape[0] == 10
        assert (labels[positives] == labels[queries]).all() and (positives != queries).all()
        assert len(set(pool.tolist())) == 15 and set(pool.tolist()) <= set(range(len(labels)))
        for mine, again in zip((queries, positives, pool), sampler_of().choose(number)):
            np.testing.assert_array_equal(mine, again)
    assert any((one != other).any() for one, other in zip(sampler.choose(0), sampler.choose(1)))
    assert any((one != other).any() for one, other in zip(sampler.choose(0), sampler_of(seed=1).choose(0)))


def test_every_query_and_every_positive_of_it_is_equally_likely():
    labels, passes = labels_of(COUNTS), 1500
    sampler = sampler_of()
    asked, pairs, pooled = Counter(), Counter(), Counter()
    for number in range(passes):
        queries, positives, pool = sampler.choose(number)
        asked.update(queries.tolist())
        pairs.update(zip(queries.tolist(), positives.tolist()))
        pooled.update(pool.tolist())
    eligible = [index for index, label in enumerate(labels) if COUNTS[label] > 1]
    assert sorted(asked) == eligible
    for index in eligible:
        expected = passes * 10 / len(eligible)
        assert abs(asked[index] - expected) < 5 * expected**0.5
        others = [other for other in eligible if labels[other] == labels[index] and other != index]
        expected /= len(others)
        assert all(abs(pairs[index, other] - expected) < 5 * expected**0.5 for other in others)
    expected = passes * 15 / len(labels)
    assert all(abs(pooled[index] - expected) < 5 * expected**0.5 for index in range(len(labels)))


def test_a_small_data_set_limits_queries_and_pool():
    sampler = sampler_of(queries=2000, pool=20000)
    assert sampler.shape == (22, 4)  # 22 drawings have another of their identity, two queries a batch
    assert len(sampler.choose(0).pool) == 24
    assert sampler_of(batch_size=16, queries=2000).shape == (20, 4)
    assert sampler_of(batch_size=12, queries=10).shape == (9, 4)


def test_only_a_pass_that_was_mined_has_an_order():
    sampler = sampler_of()
    assert sampler.indices(0) is None
    tuples = (np.arange(40) % 24).reshape(10, 4)
    sampler.take(3, tuples)
    np.testing.assert_array_equal(sampler.indices(3), np.arange(40) % 24)
    assert sampler.indices(2) is None and sampler.indices(4) is None
    with pytest.raises(CheckpointError, match="10 tuples of 3 drawings an epoch, now there are 10 of 4"):
        sampler.take(4, tuples[:, :3])
    for wrong in (tuples + 1, tuples - 1, tuples.astype(float)):  # there are 24 images
        with pytest.raises(CheckpointError, match="the mined tuples are not those of 24 images"):
            sampler.take(4, wrong)


def test_built_from_the_config(cfg):
    cfg.SOLVER.IMS_PER_BATCH, cfg.SEED = 14, 5
    cfg.DATALOADER.MINING.QUERIES, cfg.DATALOADER.MINING.POOL = 8, 9
    sampler = SAMPLERS.get("MinedTupleSampler")(cfg, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    assert (sampler.shape, sampler.pool, sampler.negatives, sampler.seed) == ((8, 7), 9, 5, 5)


def test_settings_that_do_not_fit_are_refused():
    for settings, fault, message in [
        ({"batch_size": 10}, ConfigError, "SOLVER.IMS_PER_BATCH: 10 is not a multiple of 4.*MINING.NEGATIVES 2"),
        ({"queries": 1}, ConfigError, "IMS_PER_BATCH: 8 takes 2 queries a batch.*QUERIES is 1"),
        ({"counts": [1, 1, 2], "batch_size": 12}, ConfigError, "takes 3 queries a batch.* 2 drawings have another"),
        ({"counts": [1, 1, 1]}, DataError, "no identity has two drawings"),
    ]:
        with pytest.raises(fault, match=message):
            sampler_of(**settings)


def test_a_pool_of_too_few_identities_is_refused():
    with pytest.raises(DataError, match="MINING.POOL: 2 drawings hold only [12] identities, .*NEGATIVES 2 needs 3 or more"):
        sampler_of(pool=2).choose(0)
