"""Compiled backbones: the same numbers under the same names, or a warning and an unchanged network."""

import logging
from functools import partial

import pytest
import torch
from functorch.compile import make_boxed_func
from torch import nn
from torch._dynamo.backends.common import aot_autograd

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


class Compiler:
    """Takes the place of torch's default backend, which needs a C++ compiler.

    Attributes:
        graphs: names of the passes that it was given, forward or backward.
        fails: the one that it cannot compile.
    """

    def __init__(self, monkeypatch):
        self.graphs, self.fails = [], None
        forward, backward = (partial(self.compile, name) for name in ("forward", "backward"))
        backend = aot_autograd(fw_compiler=forward, bw_compiler=backward)
        monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))

    def compile(self, name, graph, inputs):
        self.graphs.append(name)
        if name == self.fails:
            raise RuntimeError(f"no registers left\nin the {name} pass")
        return make_boxed_func(graph.forward)


@pytest.fixture
def compiler(monkeypatch):
    yield Compiler(monkeypatch)
    torch.compiler.reset()


def pair():
    """Return two equal networks, the first compiled."""
    torch.manual_seed(0)
    model, plain = TwoBackbones(), TwoBackbones()
    plain.load_state_dict(model.state_dict())
    assert compile_backbones(model, *ARGUMENTS)
    return model, plain


def assert_same_step(model, plain, count):
    """A forward and backward pass of both networks over `count` images: features, gradients and statistics are the same."""
    images, found = torch.randn(count, 1, 8, 8), []
    for network in (model, plain):
        network.zero_grad()
        features = [backbone(images) for backbone in network.backbones.values()]
        features[0].square().mean().backward()
        found.append((features, [p.grad for p in network.backbone.parameters()], network.state_dict()))
    torch.testing.assert_close(*found)


def test_batches_of_any_size_take_few_graphs_and_evaluation_none(compiler):
    model, plain = pair()
    compiler.graphs.clear()
    sizes = [2, 5, 3, 1, 7, 4, 9, 6, 8, 11, 10, 1]
    for count in sizes:
        assert_same_step(model, plain, count)
    assert 0 < len(compiler.graphs) <= 12 < 3 * len(sizes)  # both backbones: the first size, any size and 1
    compiler.graphs.clear()
    model.eval(), plain.eval()
    with torch.inference_mode():
        for side in (8, 9, 12):
            images = torch.randn(3, 1, side, side)
            assert torch.equal(model.backbone(images), plain.backbone(images))
    assert not compiler.graphs


@pytest.mark.parametrize("fails", ["forward", "backward"])
def test_a_failure_after_the_trial_is_a_warning(fails, compiler, caplog):
    model, plain = pair()
    assert_same_step(model, plain, 2)
    compiler.fails = fails
    for count in (3, 4):
        assert_same_step(model, plain, count)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    failed = model.backbones if fails == "forward" else {"backbone": model.backbone}  # the other has no backward pass
    assert warnings == ["MODEL.COMPILE: torch.compile failed (no registers left); going on without it"] * len(failed)
