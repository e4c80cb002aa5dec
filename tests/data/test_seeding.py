"""Seeds of positions, and that seeding leaves no trace."""

import torch

from fastpatent.data.seeding import position_seed, seeded


def test_seeds_differ_by_position_and_run():
    seeds = {position_seed(seed, position) for seed in range(20) for position in range(1000)}
    assert len(seeds) > 19990  # of 32 bits: a few meet by chance
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert position_seed(3, 10**13) == position_seed(3, 10**13)


def test_neighbouring_positions_draw_independently():
    """The first uniform number after each seed: mean and lag-1 correlation as of independent draws."""
    drawn = []
    for position in range(4000):
        with seeded(position_seed(0, position)):
            drawn.append(torch.rand(()).item())
    drawn = torch.tensor(drawn, dtype=torch.float64)
    assert abs(drawn.mean() - 0.5) < 4 * (1 / 12 / 4000) ** 0.5
    assert abs(torch.corrcoef(torch.stack([drawn[:-1], drawn[1:]]))[0, 1]) < 4 / 4000**0.5


def test_the_outer_state_is_put_back():
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    with seeded(9):
        inside = torch.rand(4)
    assert torch.equal(torch.rand(4), expected)
    torch.manual_seed(9)
    assert torch.equal(torch.rand(4), inside)
