"""The moving average of weights, against its formula in float64 over the weights of every step."""

import pytest
import torch
from torch import nn

from fastpatent.engine.ema import WeightAverage
from fastpatent.engine.trainer import Trainer
from fastpatent.models.state_file import read_state_file
from tests.engine.runs import INTERRUPTED, SMALL, assert_same_bits, interrupted_after, train, weights
from tests.engine.steps import settings, trainer_of
from tests.waiting import NothingWaits

pytestmark = pytest.mark.slow

EMA = (*SMALL, "SOLVER.EMA.ENABLED", "True")


def averaged(states, decay):
    """Return the average after the first of `states` and a step to each other, written out."""
    found = {name: value.double() for name, value in states[0].items()}
    for step, state in enumerate(states[1:]):
        d = min(decay, (1 + step) / (10 + step))
        for name, value in state.items():
            found[name] = d * found[name] + (1 - d) * value.double()
    return found


def copied(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.999])
def test_weights_and_running_statistics_are_averaged_with_a_rising_decay(decay):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    model.register_buffer("setting", torch.ones(2), persistent=False)
    average, states = WeightAverage(model, decay), [copied(model)]
    for step in range(12):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model(torch.randn(5, 4))
        average.update(step)
        states.append(copied(model))
    assert [average.decay_at(0), average.decay_at(10**6)] == [min(0.1, decay), decay]
    found = average.state_dict()
    assert found.keys() == states[-1].keys()
    counter = "1.num_batches_tracked"
    assert found[counter] == 12
    for name, truth in averaged([{n: v for n, v in state.items() if n != counter} for state in states], decay).items():
        torch.testing.assert_close(found[name].double(), truth, rtol=1e-5, atol=1e-6, msg=name)
        assert decay == 0 or not torch.equal(found[name], states[-1][name])


def test_within_the_block_the_network_is_the_average_and_after_it_what_it_was():
    model = nn.Linear(2, 1)
    average = WeightAverage(model, 0.9)
    with torch.no_grad():
        model.weight.fill_(5.0)
    before, rows = copied(model), torch.ones(1, 2)
    with pytest.raises(KeyError), average.in_place():
        torch.testing.assert_close(model(rows), rows @ average.state_dict()["weight"].T + model.bias)
        assert not torch.equal(model.weight, before["weight"])
        raise KeyError
    assert_same_bits(copied(model), before)


def test_a_step_averages_its_result_and_waits_for_nothing():
    trainer, batch = trainer_of(settings(SOLVER__EMA__ENABLED=True))
    states = [copied(trainer.model)]
    for _ in range(3):
        trainer.step(batch)
        states.append(copied(trainer.model))
    for name, truth in averaged(states, 0.999).items():
        if "num_batches" not in name:
            found = trainer.average.state_dict()[name].double()
            torch.testing.assert_close(found, truth, rtol=1e-5, atol=1e-6, msg=name)
    with NothingWaits():
        trainer.step(batch)


def test_class_centres_stored_outside_the_network_are_not_averaged():
    cfg = settings(SOLVER__EMA__ENABLED=True, MODEL__HEADS__SAMPLED_CLASSES=6, SOLVER__CLIP_GRADIENTS__ENABLED=False)
    cfg.MODEL.LOSSES.NAME = ["CrossEntropyLoss"]
    trainer, batch = trainer_of(cfg)
    trainer.step(batch)
    found, own = trainer.average.state_dict(), trainer.model.state_dict()
    assert torch.equal(found["heads.weight"], own["heads.weight"]) and len(own["heads.weight"]) == 8
    assert not torch.equal(found["backbone.conv1.weight"], own["backbone.conv1.weight"])


@pytest.fixture(scope="module")
def whole(drawings_folder, tmp_path_factory):
    """The folder of a run with an average, and what its network was whenever it was evaluated."""
    folder, seen = tmp_path_factory.mktemp("ema"), []
    with pytest.MonkeyPatch.context() as patched:
        evaluate = Trainer._measure

        def watched(self, epoch):
            measured = self._evaluate
            self._evaluate = lambda model, epoch: (seen.append(copied(model)), measured(model, epoch))[1]
            evaluate(self, epoch)
            self._evaluate = measured

        patched.setattr(Trainer, "_measure", watched)
        assert train(drawings_folder, folder, *EMA) == 0
    return folder, seen


def test_the_average_is_what_is_evaluated_and_saved(whole):
    folder, seen = whole
    final, best = weights(folder), weights(folder, "model_best.pth")
    assert_same_bits(final["model"], seen[-1])
    assert_same_bits(best["model"], seen[best["epoch"] - 1])
    assert_same_bits(read_state_file(folder / "model_final.pth").state, final["model"])  # what MODEL.WEIGHTS takes
    name = "heads.weight"
    assert final["trained"].keys() == final["model"].keys() and not torch.equal(final["trained"][name], final["model"][name])


def test_a_run_with_an_average_interrupted_and_resumed_gives_the_same_bits(whole, drawings_folder, tmp_path):
    with interrupted_after(5):
        assert train(drawings_folder, tmp_path, *EMA) == INTERRUPTED
    assert train(drawings_folder, tmp_path, *EMA, resume=True) == 0
    expected, found = weights(whole[0]), weights(tmp_path)
    for part in ("model", "trained"):
        assert_same_bits(expected[part], found[part])
    assert_same_bits(weights(whole[0], "model_best.pth")["model"], weights(tmp_path, "model_best.pth")["model"])


def test_an_average_may_begin_and_end_with_a_resumed_run(whole, drawings_folder, tmp_path):
    """Begun, it starts as the weights of the checkpoint; ended, the trained weights go on."""
    short = ["SOLVER.MAX_EPOCH", "1"]
    assert train(drawings_folder, tmp_path, *SMALL, *short) == 0
    plain = weights(tmp_path)
    assert "trained" not in plain
    assert train(drawings_folder, tmp_path, *EMA, *short, resume=True) == 0
    begun = weights(tmp_path)
    for part in ("model", "trained"):
        assert_same_bits(begun[part], plain["model"])
    copy = tmp_path / "model_final.pth"
    copy.write_bytes((whole[0] / "model_final.pth").read_bytes())
    assert train(drawings_folder, tmp_path, *SMALL, resume=True) == 0
    assert_same_bits(weights(tmp_path)["model"], weights(whole[0])["trained"])


def test_an_average_of_another_shape_is_refused():
    average = WeightAverage(torch.nn.Linear(2, 3), 0.9)
    with pytest.raises(ValueError, match=r"weight of \[3, 2\] is \[1\] in the average"):
        average.load_state_dict({"weight": torch.zeros(1), "bias": torch.zeros(3)})
