import math
import warnings

import pytest
import torch

from fastpatent.config import get_cfg
from fastpatent.engine.schedule import build_schedule


def schedule(batches_per_epoch=10, **solver):
    cfg = get_cfg()
    cfg.merge_from_list([word for key, value in solver.items() for word in (f"SOLVER.{key}", value)])
    return build_schedule(cfg, batches_per_epoch)


def test_cosine_follows_torch_once_warm_up_and_delay_are_over():
    for delay, warmup in [(0, 0), (3, 0), (0, 25), (3, 25), (3, 45)]:
        ours = schedule(SCHED="CosineAnnealingLR", MAX_EPOCH=12, DELAY_EPOCHS=delay, WARMUP_ITERS=warmup, ETA_MIN_LR=1e-6)
        start = max(delay, math.ceil(warmup / 10))
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
        torchs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12 - start, 1e-6)
        warnings.simplefilter("ignore")  # no step is taken between two calls of the schedule
        for epoch in range(12):
            if epoch > start:
                torchs.step()
            if epoch >= start:
                for iteration in (10 * epoch, 10 * epoch + 9):
                    assert ours.learning_rate(0.5, iteration) == pytest.approx(torchs.get_last_lr()[0], rel=1e-9), (
                        f"{delay=}, {warmup=}"
                    )
            elif 10 * epoch >= warmup:
                assert ours.learning_rate(0.5, 10 * epoch) == 0.5, f"{delay=}, {warmup=}"


def test_warm_up_rises_linearly_and_counts_iterations():
    ours = schedule(WARMUP_ITERS=8, WARMUP_FACTOR=0.1)
    assert [ours.learning_rate(1.0, i) for i in (0, 4, 8)] == pytest.approx([0.1, 0.55, 1.0])
    assert schedule(WARMUP_ITERS=8, WARMUP_METHOD="constant").learning_rate(2.0, 7) == pytest.approx(0.2)


def test_steps_count_epochs_after_the_warm_up():
    ours = schedule(SCHED="MultiStepLR", STEPS=[2, 4], GAMMA=0.5, WARMUP_ITERS=10, MAX_EPOCH=9)
    assert [ours.learning_rate(8.0, 10 * epoch) for epoch in range(1, 7)] == [8, 8, 4, 4, 2, 2]


def test_the_recipe_of_the_challenge_ends_near_its_smallest_rate():
    ours = schedule(1990, SCHED="CosineAnnealingLR", MAX_EPOCH=70, DELAY_EPOCHS=30, WARMUP_ITERS=3000, ETA_MIN_LR=7e-7)
    assert ours.learning_rate(3.5e-4, 1990 * 30) == 3.5e-4
    assert ours.learning_rate(3.5e-4, 1990 * 50) == pytest.approx((3.5e-4 + 7e-7) / 2)
    assert 7e-7 < ours.learning_rate(3.5e-4, 1990 * 70 - 1) < 1.3e-6
