"""Which device and number format a run uses, each with the reason in words."""

from contextlib import nullcontext
from typing import NamedTuple

import torch

from fastpatent.errors import ConfigError


class Device(NamedTuple):
    """A device and why it was chosen."""

    device: torch.device
    reason: str


class Precision(NamedTuple):
    """A number format for the network's forward pass and why it was chosen."""

    dtype: torch.dtype
    reason: str

    def autocast(self, device):
        """Return the context in which to run the network; float32 needs none."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(device.type, self.dtype)


def choose_device(name, local_rank=0):
    """Read MODEL.DEVICE: `cuda` (this process's card), `cuda:N`, `cpu` or `mps`.

    Plain `cuda`, the default, falls back to the processor where there is no card and says so; a card asked for by
    number must exist.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"MODEL.DEVICE: {name!r} is no device; write cuda, cuda:0, cpu or mps") from None
    if device.type == "cuda":
        if torch.cuda.is_available():
            index = local_rank if device.index is None else device.index
            if index >= torch.cuda.device_count():
                raise ConfigError(f"MODEL.DEVICE: there is no cuda:{index}, only {torch.cuda.device_count()} card(s)")
            device = torch.device("cuda", index)
            torch.cuda.set_device(device)
            return Device(device, torch.cuda.get_device_name(device))
        if device.index is None:
            return Device(torch.device("cpu"), "MODEL.DEVICE is cuda, but this machine has no usable card")
        raise ConfigError(f"MODEL.DEVICE is {name}, but this machine has no usable CUDA card; write MODEL.DEVICE cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("MODEL.DEVICE is mps, but torch finds no Metal device here; write MODEL.DEVICE cpu")
    if device.type not in ("cpu", "mps"):
        raise ConfigError(f"MODEL.DEVICE: {name!r} is not supported; write cuda, cuda:0, cpu or mps")
    return Device(device, "MODEL.DEVICE")


def _has_bf16(device):
    """Tell whether bf16 arithmetic is done in hardware, and what says so."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False), "the card"
    if device.type == "cpu":
        if hasattr(torch.cpu, "get_capabilities"):  # torch 2.11 and later
            found = torch.cpu.get_capabilities()
            return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")), "the processor"
        return torch.cpu._is_avx512_bf16_supported(), "the processor"
    return False, "Metal"


def training_precision(amp_enabled, device):
    """Choose the format of SOLVER.AMP.ENABLED: bf16 where the hardware has it, else fp16 on a card, else float32."""
    if not amp_enabled:
        return Precision(torch.float32, "SOLVER.AMP.ENABLED is False")
    has_bf16, what = _has_bf16(device)
    if has_bf16:
        return Precision(torch.bfloat16, f"{what} computes in bf16")
    if device.type == "cpu":
        return Precision(torch.float32, f"{what} has no bf16 arithmetic, emulation would be slower")
    return Precision(torch.float16, f"{what} has no bf16; gradients are scaled")


def extraction_precision(name):
    """Read TEST.PRECISION: fp32, bf16 or fp16."""
    formats = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if name not in formats:
        raise ConfigError(f"TEST.PRECISION: {name!r} is none of {', '.join(formats)}")
    return Precision(formats[name], "TEST.PRECISION")
