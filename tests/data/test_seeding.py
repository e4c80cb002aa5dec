"""Seeds of positions, and that the generator's state is restored."""

import numpy as np
import torch
from scipy import stats

from fastpatent.data.seeding import position_seed, seeded, splitmix64, uniforms


def test_seeds_differ_by_position_and_run():
    seeds = {position_seed(seed, position) for seed in range(20) for position in range(1000)}
    assert len(seeds) > 19990  # of 32 bits: a few collide
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert position_seed(3, 10**13) == position_seed(3, 10**13)


def test_neighbouring_positions_draw_independently():
    """The first uniform number after each seed: mean and lag-1 correlation are those of independent numbers."""
    drawn = []
    for position in range(4000):
        with seeded(position_seed(0, position)):
            drawn.append(torch.rand(()).item())
    drawn = torch.tensor(drawn, dtype=torch.float64)
    assert abs(drawn.mean() - 0.5) < 4 * (1 / 12 / 4000) ** 0.5
    assert abs(torch.corrcoef(torch.stack([drawn[:-1], drawn[1:]]))[0, 1]) < 4 / 4000**0.5


def test_the_outer_state_is_restored():
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    with seeded(9):
        inside = torch.rand(4)
    assert torch.equal(torch.rand(4), expected)
    torch.manual_seed(9)
    assert torch.equal(torch.rand(4), inside)


def test_splitmix64_against_the_published_generator():
    """Outputs of the authors' C code for the state 1234567, also without computing those before."""
    truth = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    start = np.array([1234567], np.uint64)
    assert splitmix64(start, np.arange(5, dtype=np.uint64)).tolist() == truth
    assert splitmix64(start, np.array([3], np.uint64)).tolist() == truth[3:4]


def test_uniforms_are_those_of_whole_number_arithmetic():
    """The same with Python's unbounded integers: overflow in NumPy loses nothing."""
    for seed in [0, 1, 2**63 + 11, 2**70]:
        mask = 2**64 - 1

        def mix(value):
            value &= mask
            value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
            value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
            return value ^ (value >> 31)

        positions, slots = [0, 3, 2**40], [5, 0, 38]
        drawn = uniforms(seed, torch.tensor(positions), slots)
        assert drawn.dtype == np.float64 and drawn.shape == (3, 3), f"{seed=}"
        for position, row in zip(positions, drawn):
            start = mix(seed * 0xD1342543DE82EF95 + 0xA0761D6478BD642F + position * 0x9E3779B97F4A7C15)
            assert row.tolist() == [(mix(start + (slot + 1) * 0x9E3779B97F4A7C15) >> 11) / 2**53 for slot in slots], (
                f"{seed=}"
            )


def test_uniforms_depend_on_seed_position_and_slot_alone():
    drawn = uniforms(7, np.arange(1000), range(40))
    assert drawn[[999, 3, 3]][:, [39, 0]].tolist() == uniforms(7, [999, 3, 3], [39, 0]).tolist()
    assert len(np.unique(np.concatenate([drawn, uniforms(8, np.arange(1000), range(40))]))) == 2 * 40 * 1000
    assert uniforms(7, [], [1, 2]).shape == (0, 2)


def test_uniforms_are_uniform_and_independent():
    """Kolmogorov-Smirnov test of each slot; no correlation between neighbours, slots or seeds."""
    drawn = uniforms(0, np.arange(20000), range(39))
    assert drawn.min() >= 0 and drawn.max() < 1
    assert min(stats.kstest(slot, "uniform").pvalue for slot in drawn.T) > 1e-4
    together = np.concatenate([drawn[:-1], drawn[1:], uniforms(1, np.arange(19999), range(39))], axis=1)
    correlation = np.corrcoef(together.T) - np.eye(3 * 39)
    assert np.abs(correlation).max() < 5 / 20000**0.5


def test_uniforms_are_not_what_single_drawings_draw():
    single = []
    for position in range(200):
        with seeded(position_seed(0, position)):
            single.append(torch.rand(39, dtype=torch.float64).numpy())
    assert not len(np.intersect1d(np.concatenate(single), uniforms(0, np.arange(200), range(39))))
