"""A loss that is not finite changes no weight, is noticed before anything is saved, and names its images."""

import pytest
import torch

from fastpatent.data.records import Sample
from fastpatent.engine.checkpoint import LAST
from fastpatent.engine.nonfinite import LossGuard
from fastpatent.engine.trainer import Trainer
from fastpatent.errors import FastPatentError
from tests.engine.runs import SMALL, assert_same_bits, interrupt, train, weights
from tests.engine.steps import settings, trainer_of

CPU = torch.device("cpu")
SAMPLES = [Sample(f"{number}.png", None) for number in range(9)]
NAN, INFINITE = float("nan"), float("inf")


def network(name="Adam", **options):
    """One parameter and its optimizer."""
    parameter = torch.nn.Parameter(torch.ones(3))
    return parameter, getattr(torch.optim, name)([parameter], lr=0.1, **options)


def take_step(parameter, optimizer, guard, loss, iteration, indices=(0,)):
    parameter.grad = torch.full_like(parameter, loss)
    guard.watch(torch.tensor(loss), torch.tensor(indices), iteration)
    optimizer.step()


FUSED = [("Adam", {}), ("AdamW", {"weight_decay": 0.1}), ("SGD", {"momentum": 0.9}), ("SGD", {})]


@pytest.mark.parametrize("name, options", FUSED)
def test_a_fused_optimizer_skips_that_update_and_all_later_ones(name, options):
    for loss in (NAN, INFINITE, -INFINITE):
        parameter, optimizer = network(name, fused=True, **options)
        guard = LossGuard(optimizer, CPU, SAMPLES, "nowhere")
        take_step(parameter, optimizer, guard, 1.0, 1)
        guard.check()
        before = parameter.detach().clone()
        assert (before < 1).all()  # a finite loss is learned from
        state = {key: value.clone() for key, value in optimizer.state[parameter].items() if value is not None}
        take_step(parameter, optimizer, guard, loss, 2, (4, 2, 4, 8, 1))
        take_step(parameter, optimizer, guard, 1.0, 3, (5,))
        assert torch.equal(parameter, before), f"{loss=}"
        assert all(torch.equal(value, optimizer.state[parameter][key]) for key, value in state.items()), f"{loss=}"
        message = rf"the loss became {loss} at iteration 2: .* images of the batch: 4.png, 2.png, 8.png and 1 more$"
        with pytest.raises(FastPatentError, match=message):
            guard.check()


def test_an_optimizer_that_is_not_fused_is_stopped_before_its_update():
    parameter, optimizer = network("RMSprop")
    guard = LossGuard(optimizer, CPU, SAMPLES, "nowhere")
    assert guard.waits
    with pytest.raises(FastPatentError, match="iteration 5: .*: 7.png$"):
        take_step(parameter, optimizer, guard, NAN, 5, (7,))
    assert torch.equal(parameter, torch.ones(3))


def test_the_first_of_several_bad_batches_is_named():
    parameter, optimizer = network(fused=True)
    guard = LossGuard(optimizer, CPU, SAMPLES, "nowhere")
    for iteration, loss in enumerate([1.0, 1.0, 1.0, INFINITE, NAN], start=1):
        take_step(parameter, optimizer, guard, loss, iteration, (iteration,))
    guard.passed(2)
    assert sorted(guard._indices) == [3, 4, 5]
    with pytest.raises(FastPatentError, match="became inf at iteration 4: .*: 4.png$"):
        guard.check()


@pytest.mark.parametrize("overflows, refuses", [(True, False), (False, True), (False, False)])
def test_an_overflow_of_scaled_gradients_is_no_bad_loss(overflows, refuses):
    """An overflow of gradients skips one step; a loss that is not finite skips it and ends the run."""
    parameter, optimizer = network(fused=True)
    guard, scaler = LossGuard(optimizer, CPU, SAMPLES, "nowhere"), torch.amp.GradScaler("cpu", init_scale=4.0)
    for iteration in (1, 2):
        before = parameter.detach().clone()
        optimizer.zero_grad()
        scaler.scale(parameter.sum() * (INFINITE if overflows and iteration == 1 else 1.0)).backward()
        guard.watch(torch.tensor(NAN if refuses else 1.0), torch.tensor([3]), iteration)
        scaler.step(optimizer)
        scaler.update()
        assert torch.equal(parameter, before) == (refuses or (overflows and iteration == 1))
    assert scaler.get_scale() == (2.0 if overflows else 4.0)
    if refuses:
        with pytest.raises(FastPatentError, match="iteration 1"):
            guard.check()
    else:
        guard.check()


@pytest.mark.parametrize("optimizer, parts, bad", [("Adam", 1, 0), ("SGD", 2, 3), ("RMSprop", 2, 6), ("Adam", 2, 6)])
def test_any_part_of_a_batch_may_have_the_bad_loss(optimizer, parts, bad, monkeypatch):
    trainer, batch = trainer_of(settings(SOLVER__OPT=optimizer, SOLVER__GRAD_ACCUM_STEPS=parts), dtype=torch.float32)
    trainer.step(batch)
    trainer._guard.check()
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    normalise = trainer.model.normalise

    def poisoned(images):
        nan = (images == batch.images[bad]).flatten(1).all(1)
        return normalise(images).masked_fill(nan[:, None, None, None], NAN)

    monkeypatch.setattr(trainer.model, "normalise", poisoned)
    with pytest.raises(FastPatentError, match=r"became nan at iteration 2: .*: 0.png, 1.png, 2.png and 5 more$"):
        trainer.step(batch)
        trainer._guard.check()
    assert_same_bits(before, {name: value.detach() for name, value in trainer.model.named_parameters()})


@pytest.mark.parametrize("cheap, steps", [(True, 6), (False, 8)], ids=["CPU", "GPU"])
def test_the_run_ends_and_the_last_good_checkpoint_resumes(
    cheap, steps, whole_run, drawings_folder, tmp_path, monkeypatch, capfd
):
    """Step 6, in the second of two epochs of four, has a loss of NaN; on a GPU it is noticed at the end of the epoch."""
    step, batches = Trainer.step, []

    def poisoned(self, batch):
        self._guard.cheap = cheap
        batches.append([self.loader.samples[index].path for index in batch.indices.tolist()])
        with monkeypatch.context() as patched:
            if len(batches) == 6:
                patched.setattr(self.model, "normalise", lambda images: images.expand(-1, 3, -1, -1) * NAN)
            return step(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", poisoned)
        assert train(drawings_folder, tmp_path, *SMALL) == 1
    assert len(batches) == steps
    paths = list(dict.fromkeys(batches[5]))
    error = capfd.readouterr().err
    assert error.startswith("error: the loss became nan at iteration 6: ") and error.count("\n") == 1
    assert error.endswith(f"images of the batch: {', '.join(paths[:3])} and {len(paths) - 3} more\n")
    assert {path.name for path in tmp_path.glob("*.pth")} == {"model_0000.pth", "model_best.pth"}
    assert (tmp_path / LAST).read_text() == "model_0000.pth"
    assert weights(tmp_path, "model_best.pth")["epoch"] == 1
    assert train(drawings_folder, tmp_path, *SMALL, resume=True) == 0
    assert_same_bits(weights(whole_run(*SMALL))["model"], weights(tmp_path)["model"])


def test_an_interrupt_after_a_bad_step_saves_nothing(drawings_folder, tmp_path, monkeypatch, capfd):
    """On a GPU the loss of the last steps may be unknown when a run is asked to stop."""
    step = Trainer.step

    def last_step(self, batch):
        self._guard.cheap = False
        monkeypatch.setattr(self.model, "normalise", lambda images: images.expand(-1, 3, -1, -1) * NAN)
        rate = step(self, batch)
        interrupt()
        return rate

    monkeypatch.setattr(Trainer, "step", last_step)
    assert train(drawings_folder, tmp_path, *SMALL) == 1
    assert "the loss became nan at iteration 1" in capfd.readouterr().err
    assert not list(tmp_path.glob("*.pth"))
