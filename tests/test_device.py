"""Devices, number formats, and the names of what a measurement ran on."""

import importlib.metadata
import os
from contextlib import nullcontext

import pytest
import torch

from fastpatent import device
from fastpatent.config import get_cfg
from fastpatent.errors import ConfigError
from tests.switches import IEEE, LESS, TF32, arithmetic, less_allowed

CPU = torch.device("cpu")


def test_a_misspelt_device_is_named():
    for name in ("gpu", "cudda", "xla"):
        with pytest.raises(ConfigError, match=f"MODEL.DEVICE: '{name}'"):
            device.choose_device(name)
    assert device.choose_device("cpu") == (CPU, "MODEL.DEVICE")


def test_plain_cuda_falls_back_to_the_cpu_but_a_numbered_gpu_must_exist(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = device.choose_device("cuda")
    assert found.device == CPU and "no usable GPU" in found.reason
    with pytest.raises(ConfigError, match="cuda:0.*MODEL.DEVICE cpu"):
        device.choose_device("cuda:0")


def test_each_process_has_the_gpu_of_its_number(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda found: f"GPU {found.index}")
    for name, rank, index in (("cuda", 0, 0), ("cuda", 1, 1), ("cuda:1", 0, 1)):
        found = torch.device("cuda", index)
        assert device.choose_device(name, rank) == (found, f"GPU {index}") and chosen[-1] == found
    for name, rank in (("cuda", 2), ("cuda:2", 0)):
        with pytest.raises(ConfigError, match=r"there is no cuda:2, only 2 GPU\(s\)"):
            device.choose_device(name, rank)


def test_a_numbered_gpu_is_refused_to_several_processes(monkeypatch):
    monkeypatch.setattr(device, "world_size", lambda: 2)
    with pytest.raises(ConfigError, match="MODEL.DEVICE: cuda:0 is one GPU for 2 processes; write cuda"):
        device.choose_device("cuda:0")
    assert device.choose_device("cpu").device == CPU


def test_metal_is_used_only_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no Metal device here; write MODEL.DEVICE cpu"):
        device.choose_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.choose_device("mps").device.type == "mps"
    assert device.training_precision(True, torch.device("mps")).dtype == torch.float16


def test_training_is_in_bf16_only_where_the_hardware_has_it(monkeypatch):
    gpu = torch.device("cuda")
    for bf16, on_cpu, on_gpu in ((True, torch.bfloat16, torch.bfloat16), (False, torch.float32, torch.float16)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda bf16=bf16: {"avx512_bf16": bf16}, raising=False)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, bf16=bf16: bf16)
        precision = device.training_precision(True, CPU)
        assert precision.dtype == on_cpu and "the CPU" in precision.reason
        with precision.autocast(CPU):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == on_cpu
        precision = device.training_precision(True, gpu)
        assert precision.dtype == on_gpu and "the GPU" in precision.reason
    assert device.training_precision(False, CPU).dtype == torch.float32


def test_number_formats_by_name():
    for name, dtype, of_float32 in (
        ("fp32", torch.float32, "ieee"),
        ("tf32", torch.float32, "tf32"),
        ("bf16", torch.bfloat16, "ieee"),
        ("fp16", torch.float16, "ieee"),
    ):
        assert device.extraction_precision(name) == (dtype, "TEST.PRECISION", of_float32)


@pytest.mark.parametrize("name, expected", [("ieee", IEEE), ("tf32", TF32)])
def test_float32_is_what_is_asked_for_until_the_block_ends(name, expected):
    """In bf16, which `less_allowed` allows, a CPU that has it rounds products to other bits."""
    factors = torch.randn(2, 300, 300, generator=torch.Generator().manual_seed(0))
    plain = factors[0] @ factors[1]
    with less_allowed():
        for error in (None, KeyError):
            with pytest.raises(error) if error else nullcontext(), device.float32_arithmetic(name):
                assert arithmetic() == expected and torch.equal(factors[0] @ factors[1], plain)
                if error:
                    raise error
            assert arithmetic() == LESS
    before = arithmetic(), torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    with device.float32_arithmetic(name):
        pass
    assert before == (arithmetic(), torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision())


def test_training_computes_as_torch_is_set():
    with less_allowed(), device.training_precision(False, CPU).autocast(CPU):
        assert arithmetic() == LESS


@pytest.mark.parametrize("kind, expected", [("cuda", ["pinned", True]), ("mps", [False]), ("cpu", [False])])
def test_a_copy_is_queued_only_from_pinned_memory_to_a_cuda_gpu(kind, expected, monkeypatch):
    calls, tensor = [], torch.arange(3)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: calls.append("pinned") or self)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, to, non_blocking=False: calls.append(non_blocking) or self)
    assert device.to_device(tensor, torch.device(kind)) is tensor and calls == expected


def test_a_command_sets_up_its_device_by_the_configuration(monkeypatch):
    cfg = get_cfg()
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    cfg.MODEL.DEVICE = "cpu"
    for asked in (True, False):
        cfg.CUDNN_BENCHMARK = asked
        assert device.set_up_device(cfg) == (CPU, "MODEL.DEVICE") and torch.backends.cudnn.benchmark is asked


def test_versions_are_those_of_the_installed_packages():
    found = device.versions().split(", ")
    for name, package in (("PIL", "pillow"), ("skimage", "scikit-image"), ("sklearn", "scikit-learn")):
        assert f"{name} {importlib.metadata.version(package)}" in found


def test_the_cores_are_those_available_to_this_process():
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert device.cpu_name().endswith(", 1 cores")
    finally:
        os.sched_setaffinity(0, cores)
