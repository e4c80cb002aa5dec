"""`MODEL.COMPILE`: the backbones through torch.compile, or without it and a warning why."""

import copy
import logging
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fastpatent.device import Precision
from fastpatent.models import Network

logger = logging.getLogger(__name__)


def compile_backbones(
    model: Network, batch_shape: tuple[int, int, int, int], device: torch.device, precision: Precision
) -> bool:
    """Compile the backbones of a network in place where torch.compile can; parameters and their names stay.

    A copy of each is tried first, forwards and backwards, so that a failure leaves the network and its running statistics
    untouched. A later one, at a batch of another size or when frozen layers are released, is a warning too.

    Args:
        model: the network, on `device`.
        batch_shape: (batch, 1, height, width) of the images that it will see.
        device, precision: where and in which number format it computes.

    Returns:
        whether they are compiled.
    """
    begun = time.monotonic()
    inputs = model.backbone_inputs(torch.zeros(batch_shape, dtype=torch.uint8, device=device))
    _compile_both_passes_at_once()
    try:
        for name, backbone in model.backbones.items():
            trial = copy.deepcopy(backbone).train()
            with precision.autocast(device):
                features = torch.compile(trial)(inputs[name])
            if any(parameter.requires_grad for parameter in trial.parameters()):
                features.float().mean().backward()
    except Exception as error:  # whatever a compiler may raise on this machine
        _warn(error)
        return False
    finally:
        torch.compiler.reset()
    for backbone in model.backbones.values():
        backbone._compiled_call_impl = _compiled_call(backbone)  # as nn.Module.compile does
    logger.info(f"compiled      {', '.join(model.backbones)}, tried in {time.monotonic() - begun:.0f} s")
    return True


def _compile_both_passes_at_once() -> None:
    """Have a backward pass that cannot be compiled fail in the forward pass, where it can still be replaced."""
    from torch._functorch import config

    config.force_non_lazy_backward_lowering = True


def _compiled_call(backbone: nn.Module) -> Callable[..., Any]:
    """Return the call of a backbone: compiled, but as it is without gradients, and always once that has failed.

    Evaluation has batches of other sizes than training, and every one would be compiled.
    """
    plain, compiled, works = backbone._call_impl, torch.compile(backbone._call_impl), True

    def call(*inputs: Any) -> Any:
        nonlocal works
        if works and torch.is_grad_enabled():
            try:
                return compiled(*inputs)
            except Exception as error:  # as above
                works = False
                _warn(error)
        return plain(*inputs)

    return call


def _warn(error: Exception) -> None:
    cause = getattr(error, "inner_exception", error)  # of torch's BackendCompilerFailed, which begins with no reason
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    logger.warning(f"MODEL.COMPILE: torch.compile failed ({lines[0]}); going on without it")
