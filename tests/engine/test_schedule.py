import json

import numpy as np
import pytest

from fastpatent.config import get_cfg
from fastpatent.engine.schedule import build_schedule


def schedule(batches_per_epoch=10, **solver):
    cfg = get_cfg()
    cfg.merge_from_list([word for key, value in solver.items() for word in (f"SOLVER.{key}", value)])
    return build_schedule(cfg, batches_per_epoch)


@pytest.mark.parametrize("case", range(10))
def test_every_epoch_has_the_rates_of_fast_reid(reference_folder, case):
    reference = np.load(reference_folder / "dira_schedule.npz")
    solver = json.loads(str(reference["cases"][case]))
    batches = solver.pop("iterations_per_epoch")
    solver.pop("parameter")
    ours = schedule(batches, **solver)
    for place, iteration in (("first", 0), ("last", batches - 1)):
        found = [ours.learning_rate(solver["BASE_LR"], batches * epoch + iteration) for epoch in range(solver["MAX_EPOCH"])]
        np.testing.assert_allclose(found, reference[f"case{case}_{place}"], rtol=1e-9)


def test_warm_up_rises_linearly_and_counts_iterations():
    ours = schedule(WARMUP_ITERS=8, WARMUP_FACTOR=0.1)
    assert [ours.learning_rate(1.0, i) for i in (0, 4, 8)] == pytest.approx([0.1, 0.55, 1.0])
    assert schedule(WARMUP_ITERS=8, WARMUP_METHOD="constant").learning_rate(2.0, 7) == pytest.approx(0.2)


def test_the_recipe_of_the_challenge_ends_near_its_smallest_rate():
    ours = schedule(1990, SCHED="CosineAnnealingLR", MAX_EPOCH=70, DELAY_EPOCHS=30, WARMUP_ITERS=3000, ETA_MIN_LR=7e-7)
    assert ours.learning_rate(3.5e-4, 1990 * 30) == 3.5e-4
    assert ours.learning_rate(3.5e-4, 1990 * 50) == pytest.approx((3.5e-4 + 7e-7) / 2)
    assert 7e-7 < ours.learning_rate(3.5e-4, 1990 * 70 - 1) < 1.3e-6
