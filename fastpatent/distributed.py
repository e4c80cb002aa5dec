"""Helpers for torch.distributed that also work in a single process."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fastpatent.errors import ConfigError

Value = TypeVar("Value")
LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torchrun sets
LOCAL_WORLD_SIZE = "LOCAL_WORLD_SIZE"  # it and --num-gpus set this too
_apart = False


def is_launched() -> bool:
    """Return whether this process was started by torchrun or alike; a scheduler may leave some of its variables alone."""
    return all(name in os.environ for name in LAUNCHED)


def environment_number(name: str) -> int:
    """Return a variable of the environment; ConfigError where it is no whole number."""
    try:
        return int(os.environ[name])
    except ValueError:
        raise ConfigError(f"{name} of the environment is {os.environ[name]!r}, not a whole number") from None


@contextmanager
def apart() -> Iterator[None]:
    """Return a context in which this process counts as the only one, for work of its own while others do theirs."""
    global _apart
    _apart = True
    try:
        yield
    finally:
        _apart = False


def world_size() -> int:
    """Return the number of processes; 1 if torch.distributed is not initialised, and `apart`."""
    return 1 if _apart else _processes()


def is_first() -> bool:
    """Return whether this is the first process, also `apart`."""
    return _processes() == 1 or dist.get_rank() == 0


def _processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def local_world_size() -> int:
    """Return how many of the processes are on this machine: all of them, unless a launcher says otherwise."""
    several = _processes()
    return environment_number(LOCAL_WORLD_SIZE) if several > 1 and LOCAL_WORLD_SIZE in os.environ else several


def rank() -> int:
    """Return the rank of this process, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def barrier() -> None:
    """Wait for all processes."""
    if world_size() > 1:
        dist.barrier()


def share_buffers(model: nn.Module) -> None:
    """Broadcast the buffers of a model from rank 0, as running statistics differ between processes."""
    if world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def share_gradients(model: nn.Module) -> DistributedDataParallel:
    """Return a model whose backward pass averages gradients over all processes. Buffers stay those of each process.

    Torch 2.13 deprecates `broadcast_buffers`, whose successor still copies the buffers of rank 0 once, so they are ignored.
    """
    buffers = [name for name, _ in model.named_buffers()]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, buffers)
    return DistributedDataParallel(model)  # without device_ids: with them it would move the domains to the GPU


class _Gather(torch.autograd.Function):
    """all_gather whose backward pass sums the gradients of all processes for the rows of this process."""

    @staticmethod
    def forward(context: Any, rows: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(rows) for _ in range(world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient.chunk(world_size())[rank()]


def gather_with_gradient(rows: torch.Tensor) -> torch.Tensor:
    """Concatenate the rows of all processes in rank order; gradients flow back to the process of each row.

    Every process then computes the same loss over the global batch. The backward pass sums the gradients of all
    processes and DistributedDataParallel averages over them, so the parameters receive the gradient of that loss.

    Args:
        rows: tensor [local batch, ...], of the same shape in every process.

    Returns:
        tensor [world size * local batch, ...].
    """
    return rows if world_size() == 1 else _Gather.apply(rows)


def gather_labels(labels: torch.Tensor) -> torch.Tensor:
    """Concatenate the int labels [local batch] of all processes in rank order, without gradient."""
    if world_size() == 1:
        return labels
    parts = [torch.empty_like(labels) for _ in range(world_size())]
    dist.all_gather(parts, labels)
    return torch.cat(parts)


def collect(value: Value, everywhere: bool = False) -> list[Value] | None:
    """Return the values of all processes, in rank order, on rank 0, or `everywhere`; None on the others.

    What another process sends is data and runs no code, unlike that of torch's collectives of objects, which are pickled.

    Args:
        value: plain values and tensors in plain containers, as accepted by `torch.load` with weights_only.
    """
    if world_size() == 1:
        return [value]
    file = io.BytesIO()
    torch.save(value, file)
    packed = torch.frombuffer(file.getbuffer(), dtype=torch.uint8)
    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(world_size())]
    dist.all_gather(lengths, torch.tensor([len(packed)]))
    longest = int(max(lengths))  # parts that are gathered have one length
    padded = nn.functional.pad(packed, (0, longest - len(packed)))
    receives = everywhere or rank() == 0
    parts = [torch.empty_like(padded) for _ in lengths if receives]
    if everywhere:
        dist.all_gather(parts, padded)
    else:
        dist.gather(padded, parts or None)
    if not receives:
        return None
    files = (io.BytesIO(part[: int(length)].numpy().data) for part, length in zip(parts, lengths))
    return [torch.load(file, weights_only=True) for file in files]
