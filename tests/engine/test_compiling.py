import torch
from torch import nn

from fastpatent.device import Precision


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.backbone.memory_format = torch.channels_last


def test_a_failing_compiler_is_said_and_changes_nothing(monkeypatch):
    def broken(module):
        def call(images):
            module(images)  # moves the running statistics of whatever it is given
            raise RuntimeError("no C++ compiler\nand a long trace")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    model, said = Network(), []
    before = {name: value.clone() for name, value in model.state_dict().items()}
    precision = Precision(torch.float32, "")
    assert not compile_backbone(model, (2, 1, 8, 8), torch.device("cpu"), precision, said.append)
    assert said == ["warning: MODEL.COMPILE: torch.compile failed (no C++ compiler); going on without it"]
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_compiled_backbone_computes_the_same_under_the_same_names():
    torch.manual_seed(0)
    model, plain, said = Network(), Network(), []
    plain.load_state_dict(model.state_dict())
    assert compile_backbone(model, (2, 1, 8, 8), torch.device("cpu"), Precision(torch.float32, ""), said.append), said
    images = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(model.backbone(images), plain.backbone(images))
    assert model.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(model.state_dict(), plain.state_dict())
    assert said[0].startswith("compiled")


def test_both_towers_are_compiled(monkeypatch):
    model, compiled = Network(), []
    model.photo_backbone = nn.Sequential(nn.Conv2d(1, 4, 3))
    monkeypatch.setattr(torch, "compile", lambda module: module)
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    assert compile_backbone(model, (2, 1, 8, 8), torch.device("cpu"), Precision(torch.float32, ""), lambda line: None)
    assert compiled == [model.backbone, model.photo_backbone]
