"""No step synchronises with the device: checked without a GPU by fake tensors, on a GPU by CUDA itself."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms.v2 import functional

from fastpatent.data.augment.batch import build_batch_augmentation


@pytest.fixture(params=["constant", "reflect"])
def augmentation(cfg, request):
    """All steps enabled; every policy occurs."""
    for name in ("LINES", "AUTOAUG", "PADDING", "FLIP", "ROTATE", "CJ", "BLUR", "REA"):
        cfg.INPUT[name].ENABLED = True
    cfg.INPUT.AUTOAUG.PROB, cfg.INPUT.PADDING.MODE, cfg.INPUT.LINES.DASH = 1.0, request.param, 0.5
    return build_batch_augmentation(cfg)


class Copies(TorchDispatchMode):
    """Counts copies between host and GPU and fails on blocking ones."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = operator(*args, **kwargs)
        if operator.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.copy_):
            source = args[0] if operator.overloadpacket is torch.ops.aten._to_copy else args[1]
            if source.device.type != result.device.type:
                assert kwargs.get("non_blocking") or (len(args) > 2 and args[2]), f"{operator} waits"
                assert result.device.type == "cuda", "back to the host"
                self.count += 1
        return result


@pytest.fixture
def fake_gpu(monkeypatch):
    """Context in which `cuda` tensors have shapes but no data; reading data raises."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)  # not available without a driver
    return FakeTensorMode(allow_non_fake_inputs=True)


def test_one_copy_a_batch_and_no_waiting(augmentation, fake_gpu, noise):
    positions = SimpleNamespace(numpy=lambda: np.arange(200))  # fake tensors have no data, not even on the CPU
    augmentation(noise(200, 24, 20), positions)  # fills the tables
    with fake_gpu:
        images = torch.empty(200, 1, 24, 20, dtype=torch.uint8, device="cuda")
        for expected in (3, 1):  # the first call also copies the two tables of AutoAugment
            with Copies() as copies:
                found = augmentation(images, positions)
            assert copies.count == expected
    assert found.device.type == "cuda" and found.shape == (200, 1, 24, 20) and found.dtype == torch.uint8


def test_waiting_is_noticed(fake_gpu):
    """Among them torchvision's rotation and sharpness, which are therefore not used on a GPU."""
    for waits in [
        lambda images: functional.rotate(images, 8.0, fill=0),
        lambda images: functional.adjust_sharpness(images, 1.7),
        lambda images: images[images > 3],
        lambda images: images.max().item(),
        lambda images: images.cpu(),
        lambda images: images.nonzero(),
    ]:
        with fake_gpu, pytest.raises(Exception, match="waits|DataDependent|nonzero|_local_scalar_dense"), Copies():
            waits(torch.empty(3, 1, 24, 20, dtype=torch.uint8, device="cuda"))


@pytest.mark.cuda
def test_on_a_gpu_it_neither_waits_nor_differs(augmentation, noise):
    images, positions = noise(200, 24, 20), torch.arange(200)
    expected = augmentation(images, positions)
    there = images.cuda()
    augmentation(there, positions)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = augmentation(there, positions)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(found.cpu(), expected)
