"""Float32 computation under autocast, where half precision is not accurate enough."""

from contextlib import AbstractContextManager, nullcontext

import torch


def at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    """Return `tensor` as float32, or unchanged if it is float32 or float64."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def without_autocast(tensor: torch.Tensor) -> AbstractContextManager[object]:
    """Return a context without autocast for the device type of `tensor`."""
    kind = tensor.device.type
    # The meta device, used for shapes without values, has no autocast.
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
