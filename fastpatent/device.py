"""Which device and number format a run uses, each with the reason in words; and what a measurement ran on."""

import ctypes
import importlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from yacs.config import CfgNode

from fastpatent.distributed import world_size
from fastpatent.errors import ConfigError

MODULES = ("fastpatent", "torch", "timm", "numpy", "PIL", "skimage", "cv2", "sklearn")  # those that affect features
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # of glibc's malloc.h: what is mapped alone, and what is returned


class Device(NamedTuple):
    """A device and why it was chosen."""

    device: torch.device
    reason: str


class Precision(NamedTuple):
    """A number format for the network's forward pass and why it was chosen.

    Attributes:
        dtype: what autocast computes in; float32 needs none.
        reason: why, in words.
        arithmetic: of what is computed in float32, see `float32_arithmetic`; "" as torch is set.
    """

    dtype: torch.dtype
    reason: str
    arithmetic: str = ""

    @contextmanager
    def autocast(self, device: torch.device) -> Iterator[None]:
        """Return the context in which to run the network."""
        half = nullcontext() if self.dtype == torch.float32 else torch.autocast(device.type, self.dtype)
        exact = float32_arithmetic(self.arithmetic) if self.arithmetic else nullcontext()
        with half, exact:
            yield


@contextmanager
def float32_arithmetic(name: str) -> Iterator[None]:
    """Return a context with one arithmetic for convolutions and matrix products of float32, however torch is set.

    torch lets a GPU convolve in TF32, whose products have 10 bits, unless it is set otherwise; a program may also have
    allowed it, or bf16 on a CPU, for matrix products.

    Args:
        name: "ieee": float32 throughout; "tf32": TF32 on a GPU that has it, as "ieee" elsewhere.
    """
    backends: Any = torch.backends  # whose own annotations lack the switches
    chosen = [(backends.cuda.matmul, name), (backends.cudnn.conv, name)]
    chosen += [(backends.mkldnn.matmul, "ieee"), (backends.mkldnn.conv, "ieee")]
    before = [(switch, switch.fp32_precision) for switch, _ in chosen]
    try:
        for switch, precision in chosen:
            switch.fp32_precision = precision
        yield
    finally:
        for switch, precision in before:
            switch.fp32_precision = precision


@contextmanager
def without_cudnn_benchmark() -> Iterator[None]:
    """Return a context in which cuDNN does not measure its algorithms for every new size of images (CUDNN_BENCHMARK)."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def choose_device(name: str, local_rank: int = 0) -> Device:
    """Read MODEL.DEVICE: `cuda` (this process's GPU), `cuda:N`, `cpu` or `mps`.

    Plain `cuda`, the default, falls back to the CPU where there is no GPU, with the reason; a GPU that is named by number
    must exist, and one process alone may have it.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"MODEL.DEVICE: {name!r} is not a device; write cuda, cuda:0, cpu or mps") from None
    if device.type == "cuda":
        if device.index is not None and world_size() > 1:
            raise ConfigError(
                f"MODEL.DEVICE: {name} is one GPU for {world_size()} processes; write cuda, and each has its own"
            )
        if torch.cuda.is_available():
            index = local_rank if device.index is None else device.index
            if index >= torch.cuda.device_count():
                raise ConfigError(f"MODEL.DEVICE: there is no cuda:{index}, only {torch.cuda.device_count()} GPU(s)")
            device = torch.device("cuda", index)
            torch.cuda.set_device(device)
            return Device(device, torch.cuda.get_device_name(device))
        if device.index is None:
            return Device(torch.device("cpu"), "MODEL.DEVICE is cuda, but this machine has no usable GPU")
        raise ConfigError(f"MODEL.DEVICE is {name}, but this machine has no usable CUDA GPU; write MODEL.DEVICE cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("MODEL.DEVICE is mps, but torch finds no Metal device here; write MODEL.DEVICE cpu")
    if device.type not in ("cpu", "mps"):
        raise ConfigError(f"MODEL.DEVICE: {name!r} is not supported; write cuda, cuda:0, cpu or mps")
    return Device(device, "MODEL.DEVICE")


def _has_bf16(device: torch.device) -> tuple[bool, str]:
    """Return whether bf16 arithmetic is done in hardware, and by what."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False), "the GPU"
    if device.type == "cpu":
        if hasattr(torch.cpu, "get_capabilities"):  # torch 2.11 and later
            found = torch.cpu.get_capabilities()  # pyright: ignore[reportAttributeAccessIssue]
            return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")), "the CPU"
        return torch.cpu._is_avx512_bf16_supported(), "the CPU"
    return False, "Metal"


def training_precision(amp_enabled: bool, device: torch.device) -> Precision:
    """Choose the format of SOLVER.AMP.ENABLED: bf16 where the hardware has it, else fp16 on a GPU, else float32."""
    if not amp_enabled:
        return Precision(torch.float32, "SOLVER.AMP.ENABLED is False")
    has_bf16, what = _has_bf16(device)
    if has_bf16:
        return Precision(torch.bfloat16, f"{what} computes in bf16")
    if device.type == "cpu":
        return Precision(torch.float32, f"{what} has no bf16 arithmetic, emulation would be slower")
    return Precision(torch.float16, f"{what} has no bf16; gradients are scaled")


def set_up_device(cfg: CfgNode, local_rank: int = 0) -> Device:
    """Choose MODEL.DEVICE for this process, see `choose_device`, and apply CUDNN_BENCHMARK."""
    torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK
    return choose_device(cfg.MODEL.DEVICE, local_rank)


def keep_freed_memory() -> None:
    """Have the C library reuse large blocks instead of returning them to the system, where it is glibc.

    A training step on the CPU allocates the same large blocks each time; mapping their pages anew takes a fifth of the
    step of a network of depthwise convolutions (`benchmarks/depthwise.py`).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if platform.libc_ver()[0] == "glibc" else None
    if mallopt:
        mallopt(MMAP_THRESHOLD, 1 << 30)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)


def extraction_precision(name: str) -> Precision:
    """Read TEST.PRECISION: fp32, tf32, bf16 or fp16. What bf16 and fp16 leave in float32 is IEEE's."""
    formats = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return Precision(formats.get(name, torch.float32), "TEST.PRECISION", "tf32" if name == "tf32" else "ieee")


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor to a device. Towards a CUDA GPU the copy is queued, from pinned memory, and the host does not wait.

    Elsewhere it waits: MPS would read the memory after it has been reused.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def cpu_name() -> str:
    """Return the CPU's name and the number of cores available to this process."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{names[0] if names else platform.processor() or platform.machine()}, {cores} cores"


def versions() -> str:
    """Return the versions of Python, of this package and of those that affect features, in one line."""
    found = {"Python": platform.python_version()}
    found |= {name: importlib.import_module(name).__version__ for name in MODULES if find_spec(name)}  # some are of extras
    return ", ".join(f"{name} {version}" for name, version in found.items())
