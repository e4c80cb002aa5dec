"""Batches, ranks and resumes are parts of one stream."""

from itertools import chain, islice

import numpy as np
import pytest

from fastpatent.data.batch_sampler import BatchStream, OrderedBatches
from fastpatent.data.samplers.identity import BalancedIdentitySampler
from fastpatent.data.samplers.training import TrainingSampler
from fastpatent.errors import ConfigError

LABELS = [0] * 5 + [1] * 2 + [2] * 9 + [3] * 4 + [4] * 1
SAMPLERS = {"training": lambda: TrainingSampler(21, 0), "balanced": lambda: BalancedIdentitySampler(LABELS, 8, 4, 0)}
EVERY = pytest.mark.parametrize("name", SAMPLERS)


@EVERY
def test_the_stream_is_the_passes_one_after_another(name):
    sampler = SAMPLERS[name]()
    expected = list(islice(chain.from_iterable(sampler.indices(number).tolist() for number in range(99)), 20 * 8))
    batches = list(islice(BatchStream(sampler, 8), 20))
    assert [len(batch) for batch in batches] == [8] * 20
    assert list(chain.from_iterable(batches)) == list(enumerate(expected))


@EVERY
def test_the_samples_of_a_batch_go_to_the_processes_in_turn(name):
    for world_size in [2, 4, 8]:
        ranks = [islice(BatchStream(SAMPLERS[name](), 8, rank, world_size), 12) for rank in range(world_size)]
        joined = [list(chain.from_iterable(zip(*shares))) for shares in zip(*ranks)]
        assert joined == list(islice(BatchStream(SAMPLERS[name](), 8), 12)), f"{world_size=}"


def test_every_process_has_all_identities_of_a_batch():
    labels = np.repeat(np.arange(8), 16)
    for rank in range(8):
        for share in islice(BatchStream(BalancedIdentitySampler(labels, 64, 16, 0), 64, rank, 8), 4):
            assert np.unique(labels[[index for _, index in share]], return_counts=True)[1].tolist() == [2] * 4


def test_units_stay_in_one_process():
    """Those of 3; where a share of 4 has no whole number of them, it is a contiguous slice of the batch."""
    sampler = SAMPLERS["training"]()
    sampler.unit_size = 3
    for batch_size, rank, places in [(12, 0, [0, 1, 2, 6, 7, 8]), (12, 1, [3, 4, 5, 9, 10, 11]), (8, 1, [4, 5, 6, 7])]:
        for number, share in enumerate(islice(BatchStream(sampler, batch_size, rank, 2), 3)):
            assert [place - number * batch_size for place, _ in share] == places


@EVERY
def test_a_resume_continues_where_it_stopped(name):
    for start in [1, 2, 5, 13]:
        whole = list(islice(BatchStream(SAMPLERS[name](), 8, 1, 2), start + 6))
        assert list(islice(BatchStream(SAMPLERS[name](), 8, 1, 2, start), 6)) == whole[start:], f"{start=}"


def test_a_late_resume_computes_one_pass_only():
    sampler = SAMPLERS["balanced"]()
    asked = []
    indices = sampler.indices
    sampler.indices = lambda number: asked.append(number) or indices(number)
    batch = next(iter(BatchStream(sampler, 8, start_batch=10**9)))
    assert batch[0][0] == 8 * 10**9 and asked == [8 * 10**9 // sampler.pass_length]


def test_iterating_again_starts_again():
    stream = BatchStream(SAMPLERS["training"](), 4, start_batch=3)
    assert list(islice(stream, 3)) == list(islice(stream, 3))


def test_batches_that_do_not_divide_are_refused():
    for batch_size, world_size in [(10, 4), (0, 1), (2, 4)]:
        with pytest.raises(ConfigError, match=f"IMS_PER_BATCH: {batch_size} does not divide into {world_size} equal parts"):
            BatchStream(SAMPLERS["training"](), batch_size, 0, world_size)


def test_ordered_batches():
    for count in [0, 1, 4, 5, 9]:
        batches = OrderedBatches(count, 4)
        assert len(list(batches)) == len(batches) == (count + 3) // 4, f"{count=}"
        assert list(chain.from_iterable(batches)) == [(index, index) for index in range(count)], f"{count=}"
