"""Votes of several processes: when they are, and what they give."""

import pytest
import torch.distributed as dist

from fastpatent.engine import votes
from fastpatent.engine.votes import PERIOD, Votes


@pytest.fixture
def clock(monkeypatch):
    """[seconds] that `votes` takes for the time."""
    now = [0.0]
    monkeypatch.setattr(votes.time, "monotonic", lambda: now[0])
    return now


def test_a_single_process_has_its_own_words():
    assert Votes().any(True, False) == (True, False)


@pytest.mark.parametrize("pace, slowest, steps", [(PERIOD / 4, 0, 4), (PERIOD / 4, PERIOD / 2, 2), (3 * PERIOD, 0, 1)])
def test_a_vote_comes_after_as_many_steps_as_fit_the_period(monkeypatch, clock, pace, slowest, steps):
    """Of the slowest process, which votes for the first word and not for the second."""
    cast = []

    def all_reduce(tensor, operation):
        assert operation == dist.ReduceOp.MAX
        cast.append(clock[0])
        tensor[0], tensor[2] = 1, max(float(tensor[2]), slowest)

    monkeypatch.setattr(votes, "world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    here, answers = Votes(), []
    for _ in range(1 + 3 * steps):
        clock[0] += pace
        answers.append(here.any(False, False))
    assert cast == pytest.approx([pace * (1 + steps * number) for number in range(4)])
    assert answers == [(number % steps == 0, False) for number in range(1 + 3 * steps)]
