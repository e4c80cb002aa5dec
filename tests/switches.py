"""How torch's switches are set where products are computed."""

from contextlib import contextmanager

from torch.backends import cuda, cudnn, mkldnn
from torch.utils._python_dispatch import TorchDispatchMode

PRODUCTS = {"mm", "addmm", "bmm"}
SWITCHES = cudnn.conv, cuda.matmul, mkldnn.conv, mkldnn.matmul
LESS, IEEE, TF32 = ["tf32", "tf32", "bf16", "bf16"], ["ieee"] * 4, ["tf32", "tf32", "ieee", "ieee"]  # see `arithmetic`


def arithmetic():
    """Return the precision of float32 in convolutions and products on a GPU, then of both on a CPU."""
    return [switch.fp32_precision for switch in SWITCHES]


@contextmanager
def less_allowed():
    """Return a context in which all of them allow less than float32."""
    before = arithmetic()
    try:
        _switch(LESS)
        yield
    finally:
        _switch(before)


def _switch(precisions):
    for switch, precision in zip(SWITCHES, precisions):
        switch.fp32_precision = precision
    assert arithmetic() == precisions


class Products(TorchDispatchMode):
    """Context that records `arithmetic()` at every matrix product, in `found`."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation.overloadpacket.__name__ in PRODUCTS:
            self.found.append(arithmetic())
        return operation(*args, **(kwargs or {}))
