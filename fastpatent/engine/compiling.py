"""`MODEL.COMPILE`: the backbones through torch.compile, or without it and a warning why."""

import copy
import logging
import time

import torch

from fastpatent.device import Precision
from fastpatent.models import Network

logger = logging.getLogger(__name__)


def compile_backbones(
    model: Network, batch_shape: tuple[int, int, int, int], device: torch.device, precision: Precision
) -> bool:
    """Compile the backbones of a network in place where torch.compile can; parameters and their names stay.

    A copy of each is tried first, forwards and backwards, so that a failure leaves the network and its running statistics
    untouched.

    Args:
        model: the network, on `device`.
        batch_shape: (batch, 1, height, width) of the images that it will see.
        device, precision: where and in which number format it computes.

    Returns:
        whether they are compiled.
    """
    begun = time.monotonic()
    inputs = model.backbone_inputs(torch.zeros(batch_shape, dtype=torch.uint8, device=device))
    try:
        for name, backbone in model.backbones.items():
            trial = copy.deepcopy(backbone).train()
            with precision.autocast(device):
                features = torch.compile(trial)(inputs[name])
            if any(parameter.requires_grad for parameter in trial.parameters()):
                features.float().mean().backward()
    except Exception as error:  # whatever a compiler may raise on this machine
        lines = str(error).strip().splitlines() or [type(error).__name__]
        logger.warning(f"MODEL.COMPILE: torch.compile failed ({lines[0]}); going on without it")
        return False
    finally:
        torch.compiler.reset()
    for backbone in model.backbones.values():
        backbone.compile()
    logger.info(f"compiled      {', '.join(model.backbones)}, tried in {time.monotonic() - begun:.0f} s")
    return True
