"""The few questions every room asks of torch.distributed, answered alike in one process and in many."""

import io

import torch
import torch.distributed as dist


def world_size():
    """Return the number of processes; 1 where torch.distributed was not started."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank():
    """Return this process's number, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def barrier():
    """Wait for every process."""
    if world_size() > 1:
        dist.barrier()


def share_buffers(model):
    """Give the buffers of a model in every process the first one's values: running statistics differ by process."""
    if world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


class _Gather(torch.autograd.Function):
    """all_gather whose backward sums what every process's loss says of this process's rows."""

    @staticmethod
    def forward(context, rows):
        parts = [torch.empty_like(rows) for _ in range(world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context, gradient):
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient.chunk(world_size())[rank()]


def gather_with_gradient(rows):
    """Join the rows of all processes in rank order; gradients flow back to the process that owns each row.

    Every process then computes the same loss over the global batch. The backward pass sums the gradients of all
    processes and DistributedDataParallel averages over them, so the parameters receive the gradient of that one loss.

    Args:
        rows: tensor [local batch, ...], the same shape on every process.

    Returns:
        tensor [world size * local batch, ...].
    """
    return rows if world_size() == 1 else _Gather.apply(rows)


def gather_labels(labels):
    """Join the int labels [local batch] of all processes in rank order, without gradient."""
    if world_size() == 1:
        return labels
    parts = [torch.empty_like(labels) for _ in range(world_size())]
    dist.all_gather(parts, labels)
    return torch.cat(parts)


def collect(value):
    """Return the values of all processes, in rank order, on the first; None on the others.

    Args:
        value: tensors in plain containers, with plain values, as `torch.save` takes them.
    """
    if world_size() == 1:
        return [value]
    packed = io.BytesIO()  # torch.save, because plain pickling of some tensors cannot be undone
    torch.save(value, packed)
    parts = [None] * world_size() if rank() == 0 else None
    dist.gather_object(packed.getvalue(), parts)
    return None if parts is None else [torch.load(io.BytesIO(part), weights_only=True) for part in parts]
