"""Where half precision would lose the answer: leave autocast and compute in float32 or better."""

from contextlib import nullcontext

import torch


def at_least_float32(tensor):
    """Return `tensor` as float32, or untouched where it is float32 or float64 already."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def without_autocast(tensor):
    """Return a context in which operations on the device of `tensor` keep the dtype of their inputs."""
    kind = tensor.device.type
    # The meta device, on which networks are counted without being computed, has none.
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
