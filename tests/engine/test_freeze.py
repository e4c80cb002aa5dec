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


def test_an_unknown_part_is_named():
    with pytest.raises(ConfigError, match="FREEZE_LAYERS.*'bakbone'; did you mean backbone"):
        Freezer(Network(), ["bakbone"], iterations=5)
