"""`MODEL.COMPILE`: the backbone through torch.compile, or without it and a word why."""

import copy
import time

import torch


def compile_backbone(model, batch_shape, device, precision, say):
    """Compile the backbone of a model in place where torch.compile can; its parameters and their names stay.

    A copy is tried first, forwards and backwards, so that a failure leaves the network and its running statistics untouched.

    Args:
        model: with a `backbone`, on `device`; what else it has whose name ends so, a second tower, is compiled with it.
        batch_shape: (batch, channels, height, width) that it will see.
        device, precision: where and in which number format it computes.
        say: function of a line of text.

    Returns:
        whether it is compiled.
    """
    begun = time.monotonic()
    trial = copy.deepcopy(model.backbone).train()
    images = torch.zeros(batch_shape, device=device).contiguous(memory_format=trial.memory_format)
    try:
        with precision.autocast(device):
            features = torch.compile(trial)(images)
        features.float().mean().backward()
    except Exception as error:  # whatever a compiler may raise on this machine
        lines = str(error).strip().splitlines() or [type(error).__name__]
        say(f"warning: MODEL.COMPILE: torch.compile failed ({lines[0]}); going on without it")
        return False
    finally:
        torch.compiler.reset()
    for name, module in model.named_children():
        if name.endswith("backbone"):
            module.compile()
    say(f"compiled      the backbone, tried in {time.monotonic() - begun:.0f} s")
    return True
