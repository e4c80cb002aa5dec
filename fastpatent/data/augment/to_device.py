"""Copying small arrays to a device together, asynchronously."""

import numpy as np
import torch

from fastpatent.device import to_device

ALIGNMENT = 8  # bytes; the widest data type


def copy_to_device(arrays: list[np.ndarray], device: torch.device) -> list[torch.Tensor]:
    """Copy NumPy arrays to a device in one transfer.

    Args:
        arrays: list of arrays with data types of at most 8 bytes.
        device: torch.device.

    Returns:
        list of tensors of the same shapes and data types.
    """
    if device.type == "cpu" or not arrays:
        return [torch.from_numpy(array) for array in arrays]
    starts = np.cumsum([0] + [-(-array.nbytes // ALIGNMENT) * ALIGNMENT for array in arrays])
    parcel = np.zeros(starts[-1], np.uint8)
    for start, array in zip(starts, arrays):
        parcel[start : start + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    sent = to_device(torch.from_numpy(parcel), device)
    return [
        sent[start : start + array.nbytes].view(getattr(torch, array.dtype.name)).reshape(array.shape)
        for start, array in zip(starts, arrays)
    ]
