"""Finds what would make a processor wait for its card, on a machine without one."""

from torch.utils._python_dispatch import TorchDispatchMode

# Each of these gives Python, or the shape of its result, a value that only the device knows.
WAITS = (
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "unique",
    "_unique",
    "is_nonzero",
    "equal",
    "bincount",
    "repeat_interleave.Tensor",
)


class NothingWaits(TorchDispatchMode):
    """Context in which an operation that would wait for a card raises AssertionError; `calls` counts all operations."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.calls += 1
        name = str(operation).removeprefix("aten.")
        assert not name.startswith(WAITS), f"{name} waits for the device"
        if name.startswith(("index.", "index_put")):
            indices = [index for index in args[1] if index is not None]
            assert not any(index.dtype.itemsize == 1 for index in indices), f"{name} by a mask waits for the device"
        return operation(*args, **(kwargs or {}))
