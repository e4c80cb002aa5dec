"""Optimizers by name: own learning rates for layers, heads and class weights, own decay for biases and norms."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from fastpatent.errors import ConfigError
from fastpatent.models import Network
from fastpatent.registry import OPTIMIZERS

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)
UNUSABLE = ("Optimizer", "LBFGS", "SparseAdam", "Muon")  # they need a closure, sparse gradients, or matrices only

for _name, _class in vars(torch.optim).items():
    if isinstance(_class, type) and _name not in UNUSABLE:
        OPTIMIZERS.register(_class, name=_name)


def parameter_groups(
    model: Network,
    base_lr: float,
    weight_decay: float,
    weight_decay_norm: float,
    weight_decay_bias: float,
    bias_lr_factor: float,
    heads_lr_factor: float,
    classifier_lr_factor: float = 1.0,
    layer_decay: float = 1.0,
) -> list[dict]:
    """Sort the trainable parameters into as few optimizer groups as there are different settings.

    Args:
        model: the network.
        base_lr, weight_decay: for every parameter that no rule below names.
        weight_decay_norm: for the scales of normalisation layers, and for single numbers such as the temperature of CLIP.
        weight_decay_bias, bias_lr_factor: for every parameter called `bias`, those of normalisation layers too.
        heads_lr_factor: multiplies the learning rate of the head.
        classifier_lr_factor: multiplies it once more for the class weights.
        layer_decay: multiplies the learning rate of a backbone's last layer once, of the layer before it twice, and so on
            down to the stem (Clark et al., ELECTRA, ICLR 2020; counted as timm does).

    Returns:
        list of dicts {params, lr, initial_lr, weight_decay}, in the order in which settings first occur.
    """
    steps = _steps_to_head(model) if layer_decay != 1 else {}
    head = set(model.head.parameters()) if model.head else set()
    groups: dict[tuple[float, float], dict] = {}
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            full_name = f"{module_name}.{name}"
            lr = base_lr * (bias_lr_factor if name == "bias" else 1.0)
            lr *= heads_lr_factor if parameter in head else 1.0
            lr *= classifier_lr_factor if parameter is model.classifier_weight else 1.0
            lr *= layer_decay ** steps.get(full_name, 0)
            decay = weight_decay_norm if isinstance(module, NORMS) or parameter.ndim == 0 else weight_decay
            decay = weight_decay_bias if name == "bias" else decay
            group = groups.setdefault((lr, decay), {"params": [], "lr": lr, "initial_lr": lr, "weight_decay": decay})
            group["params"].append(parameter)
    return list(groups.values())


def _steps_to_head(model: Network) -> dict[str, int]:
    """Return {name of a backbone's parameter: layers from it to the head}, 1 for those of the last trainable layer."""
    steps: dict[str, int] = {}
    for child, backbone in model.backbones.items():
        depths = model.layer_depths(child)
        last = max((depths[name] for name, p in backbone.named_parameters() if p.requires_grad), default=0)
        steps |= {f"{child}.{name}": last + 1 - depth for name, depth in depths.items()}
    return steps


def build_optimizer(cfg: CfgNode, model: Network) -> torch.optim.Optimizer:
    """Build SOLVER.OPT over the model's trainable parameters.

    Raises:
        ConfigError: the optimizer does not accept the settings.
    """
    solver = cfg.SOLVER
    groups = parameter_groups(
        model,
        base_lr=solver.BASE_LR,
        weight_decay=solver.WEIGHT_DECAY,
        weight_decay_norm=solver.WEIGHT_DECAY_NORM,
        weight_decay_bias=solver.WEIGHT_DECAY_BIAS,
        bias_lr_factor=solver.BIAS_LR_FACTOR,
        heads_lr_factor=solver.HEADS_LR_FACTOR,
        classifier_lr_factor=solver.CLASSIFIER_LR_FACTOR,
        layer_decay=solver.LAYER_DECAY,
    )
    options = {"momentum": solver.MOMENTUM, "nesterov": solver.NESTEROV} if solver.OPT == "SGD" else {}
    if solver.OPT in ("Adam", "AdamW", "SGD"):
        options["fused"] = True
    try:
        optimizer = OPTIMIZERS.get(solver.OPT)(groups, lr=solver.BASE_LR, **options)
    except ValueError as error:
        raise ConfigError(f"SOLVER.OPT: {solver.OPT} cannot train this network with these settings: {error}") from error
    _start_momentum(optimizer)
    return optimizer


def _start_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Give SGD with momentum the buffers of 0 that its first step is equal to, for every parameter that has none.

    In that step torch's fused SGD allocates them, without values, and leaves them so where the step is skipped because a
    gradient overflowed. Later it fails where some parameters have a buffer and others, frozen until then, have none.
    """
    if not isinstance(optimizer, torch.optim.SGD):
        return
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else ():
            optimizer.state[parameter].setdefault("momentum_buffer", torch.zeros_like(parameter))


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Any]:
    """Return the state of an optimizer and, as "names", its parameters in the order in which the state numbers them."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return optimizer.state_dict() | {"names": [names[p] for group in optimizer.param_groups for p in group["params"]]}


def load_optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module, saved: dict[str, Any]) -> None:
    """Continue from `optimizer_state`, with the rates and decays that `optimizer` was built with.

    Those may have changed since, and with them how the parameters are grouped.

    Raises:
        ValueError: a state of an older version, without names, that was grouped otherwise; or values of other names or
            shapes than the optimizer makes, which torch would not notice before the first step, or not even there.
    """
    state = optimizer.state_dict()
    if "names" in saved:
        numbers = {name: number for number, name in enumerate(optimizer_state(optimizer, model)["names"])}
        of_names = {saved["names"][number]: value for number, value in saved["state"].items()}
        state["state"] = {numbers[name]: value for name, value in of_names.items() if name in numbers}
    elif [len(group["params"]) for group in saved["param_groups"]] == [
        len(group["params"]) for group in state["param_groups"]
    ]:
        state["state"] = saved["state"]
    else:
        raise ValueError("its parameters are grouped by other learning rates or weight decays")
    optimizer.load_state_dict(state)
    made = {ndim: _state_of_a_step(optimizer, ndim) for ndim in {parameter.ndim for parameter in optimizer.state}}
    for parameter, values in optimizer.state.items():
        if values:  # else the next step makes them
            _check_values(values, made[parameter.ndim], list(parameter.shape))
    _start_momentum(optimizer)


def _state_of_a_step(optimizer: torch.optim.Optimizer, ndim: int) -> dict[str, torch.Tensor]:
    """Return what an optimizer stores in its first step of a parameter whose sides are 2."""
    parameter = nn.Parameter(torch.zeros([2] * ndim))
    parameter.grad = torch.zeros_like(parameter)
    accepted = inspect.signature(type(optimizer)).parameters
    twin = type(optimizer)([parameter], **{key: value for key, value in optimizer.defaults.items() if key in accepted})
    twin.step()
    return twin.state[parameter]


def _check_values(values: dict[str, Any], made: dict[str, torch.Tensor], shape: list[int]) -> None:
    """Raise ValueError where the state of a parameter of `shape` is not as `_state_of_a_step` makes it."""
    for name, example in made.items():
        value = values.get(name)
        expected = [side if full == 2 else full for side, full in zip(shape, example.shape)]  # Adafactor has sums over rows
        if not torch.is_tensor(value) or list(value.shape) != expected or not value.is_floating_point():
            found = list(value.shape) if torch.is_tensor(value) else type(value).__name__
            raise ValueError(f"{name} of a parameter of {shape} is {found}")
        if name == "step" and not 0 <= value < torch.inf:  # some divide by what is 0 at -1
            raise ValueError(f"{name} of a parameter of {shape} is {value.item()}")


def build_clipper(
    cfg: CfgNode, optimizer: torch.optim.Optimizer, frozen: Iterable[nn.Parameter] = ()
) -> Callable[[], None] | None:
    """Return a function that clips gradients by SOLVER.CLIP_GRADIENTS, or None.

    A norm is that of all gradients of a group of the optimizer together; parameters that are frozen at first are groups of
    their own, during the freeze and after it.

    Args:
        optimizer: of the parameters.
        frozen: see `Freezer.parameters`.
    """
    clip, frozen = cfg.SOLVER.CLIP_GRADIENTS, set(frozen)
    if not clip.ENABLED:
        return None
    groups = []
    for group in optimizer.param_groups:
        for once_frozen in (True, False):
            groups.append([parameter for parameter in group["params"] if (parameter in frozen) == once_frozen])

    def clip_groups() -> None:
        for group in groups:
            learning = [parameter for parameter in group if parameter.grad is not None]
            if clip.CLIP_TYPE == "norm":
                nn.utils.clip_grad_norm_(learning, clip.CLIP_VALUE, clip.NORM_TYPE)
            elif learning:
                nn.utils.clip_grad_value_(learning, clip.CLIP_VALUE)

    return clip_groups
