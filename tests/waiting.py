"""Finds operations that would make the CPU wait for a GPU, on a machine without one."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# Each of these gives Python, or the shape of its result, a value that only the device knows.
WAITS = {
    "_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "masked_select", "_unique2", "unique_dim", "bincount",
}  # fmt: skip


class NothingWaits(TorchDispatchMode):
    """Context in which an operation that would wait for a GPU raises AssertionError; `calls` counts all operations."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.calls += 1
        name = operation.overloadpacket.__name__
        assert name not in WAITS, f"{operation} waits for the device"
        if name.startswith("index") and isinstance(args[1], (list, tuple)):  # a mask is turned into indices by counting
            masks = [index for index in args[1] if index is not None and index.dtype in (torch.bool, torch.uint8)]
            assert not masks, f"{operation} by a mask waits for the device"
        with self:  # in inference mode composed operations arrive as one: decompose them
            result = operation.decompose(*args, **(kwargs or {}))
        return operation(*args, **(kwargs or {})) if result is NotImplemented else result
