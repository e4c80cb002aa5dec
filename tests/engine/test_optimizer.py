"""Optimizers: the rate and decay of every parameter, and steps against torch's own."""

import copy

import pytest
import torch
from torch import nn

from fastpatent.config import get_cfg
from fastpatent.engine.optimizer import build_clipper, build_optimizer, load_optimizer_state, optimizer_state
from fastpatent.errors import ConfigError
from fastpatent.models import Network, build_model
from fastpatent.registry import OPTIMIZERS


class WithHead(Network):
    """A backbone, a head of two layers, and a temperature."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.heads = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
        self.heads[1].bias.requires_grad_(False)
        self.temperature = nn.Parameter(torch.ones(()))

    @property
    def head(self):
        return self.heads


def config(**solver):
    cfg = get_cfg()
    cfg.merge_from_list([word for key, value in solver.items() for word in (f"SOLVER.{key}", value)])
    return cfg


def test_every_rule_reaches_its_parameters():
    model = WithHead()
    cfg = config(
        BASE_LR=1.0, HEADS_LR_FACTOR=10.0, BIAS_LR_FACTOR=2.0, WEIGHT_DECAY=0.1, WEIGHT_DECAY_NORM=0.2, WEIGHT_DECAY_BIAS=0.3
    )
    found = {p: (g["lr"], g["weight_decay"]) for g in build_optimizer(cfg, model).param_groups for p in g["params"]}
    named = {name: found[p] for name, p in model.named_parameters() if p in found}
    assert named == {
        "backbone.0.weight": (1, 0.1), "backbone.0.bias": (2, 0.3),
        "backbone.1.weight": (1, 0.2), "backbone.1.bias": (2, 0.3),
        "heads.0.weight": (10, 0.1), "heads.0.bias": (20, 0.3), "heads.1.weight": (10, 0.2),
        "temperature": (1, 0.2),
    }  # fmt: skip


class Deep(Network):
    """A backbone of three layers, one of two whose last is not trained, and a head with class weights."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 4, bias=False))
        self.photo_backbone = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
        self.photo_backbone[1].requires_grad_(False)
        self.heads = nn.Linear(4, 2)

    @property
    def backbones(self):
        return {"backbone": self.backbone, "photo_backbone": self.photo_backbone}

    @property
    def head(self):
        return self.heads

    @property
    def classifier_weight(self):
        return self.heads.weight


def test_rates_fall_from_the_head_to_the_stem():
    model = Deep()
    cfg = config(BASE_LR=1.0, LAYER_DECAY=0.5, HEADS_LR_FACTOR=10.0, CLASSIFIER_LR_FACTOR=3.0, BIAS_LR_FACTOR=2.0)
    found = {p: group["lr"] for group in build_optimizer(cfg, model).param_groups for p in group["params"]}
    assert {name: found[p] for name, p in model.named_parameters() if p in found} == {
        "backbone.0.weight": 0.125, "backbone.0.bias": 0.25,
        "backbone.2.weight": 0.25, "backbone.2.bias": 0.5,
        "backbone.3.weight": 0.5,
        "photo_backbone.0.weight": 0.5,
        "heads.weight": 30.0, "heads.bias": 20.0,
    }  # fmt: skip


@pytest.mark.parametrize("name, timm_name", [("build_resnet_backbone", ""), ("timm", "test_vit")])
def test_the_layers_of_a_network_decay_by_its_own_depths(name, timm_name):
    """A parameter's rate follows from `layer_depths` of the network: a power of the decay, one more a layer further down."""
    cfg = config(BASE_LR=1.0, LAYER_DECAY=0.5)
    cfg.MODEL.BACKBONE.NAME, cfg.MODEL.BACKBONE.TIMM_NAME, cfg.MODEL.BACKBONE.DEPTH = name, timm_name, "18x"
    cfg.MODEL.HEADS.NUM_CLASSES = 3
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = [160, 160]
    model = build_model(cfg)
    found = {p: group["lr"] for group in build_optimizer(cfg, model).param_groups for p in group["params"]}
    depths = model.layer_depths("backbone")
    trained = {key: p for key, p in model.backbone.named_parameters() if p.requires_grad}
    assert depths.keys() >= trained.keys()
    last = max(depths[key] for key in trained)
    assert last >= 3 and {depths[key] for key in trained} == set(range(last + 1))
    for key, parameter in trained.items():
        assert found[parameter] == 0.5 ** (last + 1 - depths[key]), key
    assert {found[p] for p in model.heads.parameters() if p.requires_grad} == {1.0}


def test_equal_settings_share_a_group():
    assert len(build_optimizer(config(), WithHead()).param_groups) == 1


def as_network(module):
    """Return a module as a Network, for `build_optimizer`."""
    network = Network()
    network.add_module("whole", module)
    return network


class Line(Network):
    """One weight for each of three numbers."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 1, bias=False).double()

    def forward(self, numbers):
        return self.line(numbers)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
def test_a_step_equals_torchs_own_in_float64(name):
    torch.manual_seed(0)
    model, twin = Line(), Line()
    twin.load_state_dict(model.state_dict())
    ours = build_optimizer(config(OPT=name, BASE_LR=0.1, WEIGHT_DECAY=0.01, MOMENTUM=0.9), model)
    options = {"momentum": 0.9} if name == "SGD" else {}
    theirs = getattr(torch.optim, name)(twin.parameters(), lr=0.1, weight_decay=0.01, foreach=False, **options)
    for _ in range(3):
        for module, optimizer in ((model, ours), (twin, theirs)):
            optimizer.zero_grad()
            module(torch.arange(3.0).double()).square().backward()
            optimizer.step()
    torch.testing.assert_close(model.state_dict(), twin.state_dict())


@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_a_first_step_that_overflows_changes_nothing(name, monkeypatch):
    """Of float64 sums, with a layer that is frozen at first; torch's memory is never 0 by luck."""
    torch.manual_seed(0)
    monkeypatch.setattr(torch, "empty_like", lambda tensor, **_: torch.full_like(tensor, 1e24))
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)).double()
    twin, inputs = copy.deepcopy(model), torch.randn(4, 3).double()
    cfg = config(OPT=name, BASE_LR=0.1, WEIGHT_DECAY=0.01, WEIGHT_DECAY_BIAS=0.01, MOMENTUM=0.9, NESTEROV=True)
    cfg.MODEL.FREEZE_LAYERS = ["0"]
    ours, scaler = build_optimizer(cfg, as_network(model)), torch.amp.GradScaler("cpu", init_scale=4.0)
    options = {"momentum": 0.9, "nesterov": True} if name == "SGD" else {}
    theirs = getattr(torch.optim, name)(twin.parameters(), lr=0.1, weight_decay=0.01, foreach=False, **options)
    for step in range(5):
        for module, optimizer in ((model, ours), (twin, theirs)):
            module[0].requires_grad_(step >= 2)
            optimizer.zero_grad()
            loss = module(inputs).square().mean()
            if optimizer is ours:
                scaler.scale(loss * (torch.inf if step == 0 else 1)).backward()
                scaler.step(ours)
                scaler.update()
            elif step > 0:
                loss.backward()
                theirs.step()
        torch.testing.assert_close(model.state_dict(), twin.state_dict())
    assert scaler.get_scale() == 2.0


def test_a_layer_without_a_saved_state_starts_when_it_is_released():
    """Checkpoints of older versions have no state of layers that were frozen until then."""
    cfg, released = config(OPT="SGD", BASE_LR=0.1), []
    for older in (False, True):
        torch.manual_seed(0)
        model = WithHead()
        optimizer = build_optimizer(cfg, model)
        saved = optimizer_state(optimizer, model)
        if older:
            saved["state"] = {n: value for n, value in saved["state"].items() if saved["names"][n].startswith("heads")}
        load_optimizer_state(optimizer, model, saved)
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        released.append(model.state_dict())
    torch.testing.assert_close(*released)


def test_an_unknown_optimizer_is_named():
    with pytest.raises(ConfigError, match="SOLVER.OPT.*AdamV.*did you mean"):
        build_optimizer(config(OPT="AdamV"), WithHead())


@pytest.mark.parametrize("kind", ["norm", "value"])
def test_gradients_are_clipped_by_groups_of_equal_settings_and_freeze(kind):
    """As fast-reid does, whose optimizer sees one tensor for each group."""
    cfg = config(BIAS_LR_FACTOR=2.0, **{"CLIP_GRADIENTS.ENABLED": True, "CLIP_GRADIENTS.CLIP_VALUE": 0.5})
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = kind
    model = WithHead()
    clip = build_clipper(cfg, build_optimizer(cfg, model), model.backbone.parameters())
    trained, generator = (
        {name: p for name, p in model.named_parameters() if p.requires_grad},
        torch.Generator().manual_seed(0),
    )
    given = {name: torch.randn(p.shape, generator=generator) for name, p in trained.items()}
    given["temperature"] *= 0.01
    for name, parameter in trained.items():
        parameter.grad = given[name].clone()
    trained["heads.0.bias"].grad = None  # all of its group, as in a frozen part
    clip()
    groups = [
        ["backbone.0.weight", "backbone.1.weight"],
        ["backbone.0.bias", "backbone.1.bias"],
        ["heads.0.weight", "heads.1.weight", "temperature"],
    ]
    for names in groups:
        norm = torch.cat([given[name].flatten() for name in names]).double().norm().item()
        for name in names:
            expected = given[name].clamp(-0.5, 0.5) if kind == "value" else given[name] * min(0.5 / norm, 1)
            torch.testing.assert_close(trained[name].grad, expected, rtol=1e-4, atol=1e-6)
    assert trained["heads.0.bias"].grad is None


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_a_saved_state_has_what_the_optimizer_makes(name):
    """Of 0 dimensions in place of a moment, AdamW would read outside its memory."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Conv2d(3, 1, 2))
    model.register_parameter("temperature", nn.Parameter(torch.ones(())))
    optimizer = OPTIMIZERS.get(name)(model.parameters(), lr=0.1, **({"momentum": 0.9} if name == "SGD" else {}))
    for _ in range(2):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    saved = optimizer_state(optimizer, model)
    load_optimizer_state(optimizer, model, saved)
    moments = saved["state"][saved["names"].index("0.weight")]
    for key, value in list(moments.items()):
        wrong = ["x", None, torch.zeros(7)] + ([torch.tensor(1.0)] if value.ndim else [])
        for other in ({**moments, key: of} for of in wrong):
            with pytest.raises((ValueError, TypeError)):
                load_optimizer_state(optimizer, model, {**saved, "state": {saved["names"].index("0.weight"): other}})
        lacking = {**moments}
        del lacking[key]
        if lacking:
            with pytest.raises((ValueError, KeyError), match=key):
                load_optimizer_state(optimizer, model, {**saved, "state": {saved["names"].index("0.weight"): lacking}})


@pytest.mark.parametrize("shape", [(1,), (1, 2), (3, 3), (10**6, 1)])
def test_a_saved_state_of_another_shape_is_refused_before_a_step(shape):
    """torch would broadcast some of them, and end in a traceback at others."""
    model = torch.nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    saved = optimizer_state(optimizer, model)
    load_optimizer_state(optimizer, model, saved)
    saved["state"] = {**saved["state"], 0: {"momentum_buffer": torch.zeros(1).expand(shape)}}
    with pytest.raises(ValueError, match=r"momentum_buffer of a parameter of \[3, 2\] is \["):
        load_optimizer_state(optimizer, model, saved)
