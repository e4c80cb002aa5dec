"""What a run is said to take is what a run takes, as far as it can be counted."""

from types import SimpleNamespace

import pytest
import torch

from fastpatent.engine import forecast
from fastpatent.engine.forecast import evaluations_left, measure_steps, saved_at_most, steps_to_take, tensor_bytes
from fastpatent.engine.trainer import Trainer
from tests.engine.runs import SMALL, train


def test_steps_are_few_where_they_are_slow_and_pass_what_workers_have_ready():
    for seconds, workers, expected in ((0.1, 0, 13), (0.1, 8, 27), (10.0, 8, 3), (100.0, 0, 2), (1e-9, 1, 13)):
        assert steps_to_take(seconds, workers) == expected, (seconds, workers)


def test_evaluations_are_counted_as_a_run_does_them():
    for last, period, finished in ((10, 3, 0), (9, 3, 0), (10, 0, 0), (10, 3, 6), (10, 20, 0), (10, 3, 10)):
        done = [epoch for epoch in range(finished + 1, last + 1) if epoch == last or (period and epoch % period == 0)]
        cfg = SimpleNamespace(SOLVER=SimpleNamespace(MAX_EPOCH=last), TEST=SimpleNamespace(EVAL_PERIOD=period))
        assert evaluations_left(cfg, finished) == len(done)


class FakeTrainer:
    """Steps that take the time they are given, and images that are waited for."""

    device, miner, batches_per_epoch, total = torch.device("cpu"), None, 50, 50

    def __init__(self, now, seconds, waits):
        self.position, self.freezer = SimpleNamespace(iteration=0), SimpleNamespace(iterations=7)
        self.model, self.now, self.seconds = SimpleNamespace(train=lambda: None), now, iter(seconds)
        self.loader, self.seen = SimpleNamespace(workers=0, waits=waits), []

    def step(self, _):
        self.seen.append(self.position.iteration)
        self.position.iteration += 1
        self.now[0] += next(self.seconds)

    def check(self):
        self.seen.append("checked")


@pytest.mark.parametrize("slow, timed", [(1.0, 10), (12.0, 1)])
def test_the_mean_of_what_comes_after_the_warm_up(slow, timed, monkeypatch):
    now, waits = [0.0], [5.0] + [1.0] * 20

    def feed(loader, _):
        for wait in waits:
            now[0] += wait
            yield None

    monkeypatch.setattr(forecast, "DeviceFeed", feed)
    monkeypatch.setattr(forecast.time, "monotonic", lambda: now[0])
    trainer = FakeTrainer(now, [60.0] + [slow] * 20, waits)
    found = measure_steps(trainer)
    assert found.seconds == pytest.approx(slow + 1) and found.waiting == pytest.approx(1 / (slow + 1))
    assert (found.timed, found.warm_up) == (timed, 3 if timed == 10 else 1)
    assert trainer.seen[0] == 7 and trainer.seen[-1] == "checked"  # past the frozen layers


@pytest.mark.parametrize("kept", [0, 1])
def test_checkpoints_take_what_is_said(kept, drawings_folder, tmp_path, monkeypatch):
    said = []
    options = ["SOLVER.MAX_EPOCH", "4", "SOLVER.EMA.ENABLED", str(bool(kept)), "SOLVER.CHECKPOINTS_KEPT", str(kept)]
    save = Trainer.save

    def counted_save(self, name):
        path = save(self, name)
        said[:] = [saved_at_most(self.cfg, self, True)]
        return path

    monkeypatch.setattr(Trainer, "save", counted_save)
    assert train(drawings_folder, tmp_path, *SMALL, *options) == 0
    files = list(tmp_path.glob("*.pth"))
    ((count, size),) = said
    assert count == len(files) + (1 if kept else 0)  # one more while the next is written
    written = sum(path.stat().st_size for path in files)
    if kept:
        written += (tmp_path / "model_final.pth").stat().st_size
    assert size == pytest.approx(written, rel=0.1)


def test_tensors_are_found_wherever_they_are():
    assert tensor_bytes({"a": torch.zeros(3), "b": [torch.zeros(2, dtype=torch.float64), {"c": 1, "d": "x"}], 3: None}) == 28
