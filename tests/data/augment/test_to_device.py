"""Arrays of several data types in one transfer."""

import numpy as np
import pytest
import torch

from fastpatent.data.augment.to_device import copy_to_device

ARRAYS = [
    np.arange(5),
    np.array([[0.5, -1.25, 3e7]], np.float32),
    np.array([True, False, True]),
    np.arange(11, dtype=np.uint8)[::2],
    np.zeros((0, 3), np.int64),
    np.array([[1.5], [2.5]]),
]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def test_arrays_arrive_unchanged(device):
    sent = copy_to_device(ARRAYS, torch.device(device))
    assert len(sent) == len(ARRAYS)
    for tensor, array in zip(sent, ARRAYS):
        assert tensor.device.type == device
        assert tensor.cpu().numpy().dtype == array.dtype
        np.testing.assert_array_equal(tensor.cpu().numpy(), array)


def test_nothing_to_send():
    assert copy_to_device([], torch.device("cpu")) == []


def test_arrays_packed_for_a_gpu_are_unpacked(monkeypatch):
    """The data that a GPU would receive, with the copy to it replaced by a copy in memory."""

    class Away:
        type = "cuda"

    copies = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(
        torch.Tensor, "to", lambda tensor, device, non_blocking: copies.append(non_blocking) or tensor.clone()
    )
    sent = copy_to_device(ARRAYS, Away())
    monkeypatch.undo()
    assert copies == [True]
    for tensor, array in zip(sent, ARRAYS):
        assert tensor.numpy().dtype == array.dtype
        np.testing.assert_array_equal(tensor.numpy(), array)
