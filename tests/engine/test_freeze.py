from collections import OrderedDict

import pytest
import torch
from torch import nn

from fastpatent.engine.freeze import Freezer
from fastpatent.errors import ConfigError


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Linear(3, 3)
        self.heads = nn.BatchNorm1d(3)
        self.heads.bias.requires_grad_(False)

    def forward(self, rows):
        return self.heads(self.backbone(rows)).square().sum()


def test_frozen_parts_get_no_gradient_until_they_are_released():
    model = Network()
    freezer = Freezer(model, ["backbone"], iterations=2)
    learned = []
    for iteration in range(4):
        freezer.update(iteration)
        model.zero_grad()
        model(torch.randn(5, 3)).backward()
        learned.append((model.backbone.weight.grad is not None, model.heads.weight.grad is not None))
    assert learned == [(False, True), (False, True), (True, True), (True, True)]


def test_nothing_of_the_frozen_part_enters_the_graph():
    model = Network()
    Freezer(model, ["backbone"], iterations=1).update(0)
    assert model.backbone(torch.randn(2, 3)).grad_fn is None


def test_parameters_that_are_never_trained_stay_frozen_after_the_release():
    model = Network()
    freezer = Freezer(model, ["heads"], iterations=1)
    assert [freezer.update(i) for i in range(3)] == [True, True, False]
    assert model.heads.weight.requires_grad and not model.heads.bias.requires_grad


def test_the_statistics_of_a_frozen_part_stay_and_move_afterwards():
    """An evaluation in between, which puts the whole network back into training mode, changes nothing of it."""
    model = nn.Sequential(OrderedDict(backbone=nn.Sequential(nn.BatchNorm1d(3), nn.Dropout()), heads=nn.BatchNorm1d(3)))
    freezer = Freezer(model, ["backbone"], iterations=3)
    rows, moved = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 2 + 5, []
    for iteration in range(5):
        freezer.update(iteration)
        before = [norm.running_mean.clone() for norm in (model.backbone[0], model.heads)]
        found = model(rows)
        if iteration < 3:  # the backbone is the identity: mean 0 and variance 1, as it was initialised, and no dropout
            torch.testing.assert_close(found, (rows - rows.mean(0)) / rows.std(0, correction=0), rtol=1e-4, atol=1e-4)
        moved.append(
            [not torch.equal(*pair) for pair in zip(before, (model.backbone[0].running_mean, model.heads.running_mean))]
        )
        model.eval()
        model.train()
    assert moved == [[False, True]] * 3 + [[True, True]] * 2


def test_an_unknown_part_is_named():
    with pytest.raises(ConfigError, match="FREEZE_LAYERS.*'bakbone'; did you mean backbone"):
        Freezer(Network(), ["bakbone"], iterations=5)
