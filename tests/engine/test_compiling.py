"""Compiled backbones: the same numbers under the same names, or a warning and an unchanged network."""

import logging

import torch
from torch import nn

from fastpatent.device import Precision
from fastpatent.engine.compiling import compile_backbones
from fastpatent.models import Network

ARGUMENTS = (2, 1, 8, 8), torch.device("cpu"), Precision(torch.float32, "")


class TwoBackbones(Network):
    """One backbone for images, and one that is not trained."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.photo_backbone = nn.Sequential(nn.Conv2d(1, 4, 3)).requires_grad_(False)

    @property
    def backbones(self):
        return {"backbone": self.backbone, "photo_backbone": self.photo_backbone}

    def backbone_inputs(self, images):
        return dict.fromkeys(self.backbones, images.float())


def test_a_failing_compiler_warns_and_changes_nothing(monkeypatch, caplog):
    def broken(module):
        def call(images):
            module(images)  # changes the running statistics of whatever it is given
            raise RuntimeError("no C++ compiler\nand a long trace")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    model = TwoBackbones()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert not compile_backbones(model, *ARGUMENTS)
    message = "MODEL.COMPILE: torch.compile failed (no C++ compiler); going on without it"
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(logging.WARNING, message)]
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_compiled_backbone_computes_the_same_under_the_same_names(caplog):
    caplog.set_level(logging.INFO)
    torch.manual_seed(0)
    model, plain = TwoBackbones(), TwoBackbones()
    plain.load_state_dict(model.state_dict())
    assert compile_backbones(model, *ARGUMENTS), caplog.text
    images = torch.randn(2, 1, 8, 8)
    for name in model.backbones:
        torch.testing.assert_close(model.backbones[name](images), plain.backbones[name](images))
    assert model.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(model.state_dict(), plain.state_dict())
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("fastpatent")]
    assert len(messages) == 1 and messages[0].startswith("compiled      backbone, photo_backbone, tried in ")


def test_every_backbone_is_compiled(monkeypatch):
    model, compiled = TwoBackbones(), []
    monkeypatch.setattr(torch, "compile", lambda module: module)
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    assert compile_backbones(model, *ARGUMENTS)
    assert compiled == [model.backbone, model.photo_backbone]
