import pytest
import torch

from fastpatent import device
from fastpatent.errors import ConfigError

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cudda", "xla"])
def test_a_misspelt_device_is_named(name):
    with pytest.raises(ConfigError, match=f"MODEL.DEVICE: '{name}'"):
        device.choose_device(name)


def test_plain_cuda_falls_back_and_says_so_but_a_numbered_card_must_exist(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = device.choose_device("cuda")
    assert found.device == CPU and "no usable card" in found.reason
    with pytest.raises(ConfigError, match="cuda:0.*MODEL.DEVICE cpu"):
        device.choose_device("cuda:0")


@pytest.mark.parametrize("bf16, expected", [(True, torch.bfloat16), (False, torch.float32)])
def test_the_processor_trains_in_bf16_only_where_it_has_it(monkeypatch, bf16, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bf16}, raising=False)
    precision = device.training_precision(True, CPU)
    assert precision.dtype == expected and precision.reason
    with precision.autocast(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected


def test_without_amp_training_is_float32():
    assert device.training_precision(False, CPU).dtype == torch.float32


@pytest.mark.parametrize("name, dtype", [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_formats_by_name(name, dtype):
    assert device.extraction_precision(name).dtype == dtype
    with pytest.raises(ConfigError, match="TEST.PRECISION"):
        device.extraction_precision(name + "x")
