"""IBN-a against the norms of PyTorch on two halves, in float64, with gradients."""

import copy

import pytest
import torch
from torch import nn

from fastpatent.layers.ibn import IBN


def random_layer(channels, norm="BN"):
    torch.manual_seed(0)
    layer = IBN(channels, norm).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    if norm == "BN":
        nn.init.uniform_(layer.BN.running_var, 0.5, 2)
        nn.init.normal_(layer.BN.running_mean)
    return layer


def split_and_join(layer, features):
    instance, batch = features.tensor_split([layer.split], dim=1)
    return torch.cat([layer.IN(instance), layer.BN(batch)], dim=1)


def results(layer, features, forward):
    """Return the output, all gradients, and the running statistics after the pass, by name."""
    layer, features = copy.deepcopy(layer), features.clone().requires_grad_()
    output = forward(layer, features)
    weights = torch.linspace(-1, 2, output.numel()).cos().bfloat16()  # in any dtype the same
    output.backward(weights.to(output.dtype).reshape(output.shape))
    gradients = {name: parameter.grad for name, parameter in layer.named_parameters() if parameter.requires_grad}
    return {"output": output.detach(), "features": features.grad} | gradients | dict(layer.named_buffers())


@pytest.mark.parametrize("compiling", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("channels, norm", [(8, "BN"), (7, "BN"), (8, "GN"), (8, "LN")])
def test_equals_the_norms_of_the_halves(channels, norm, training, compiling, monkeypatch):
    layer = random_layer(channels, norm).train(training)
    features = torch.randn(4, channels, 5, 6, dtype=torch.float64) * 2 + 3
    expected = results(layer, features, split_and_join)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiling)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        found = results(layer, features.contiguous(memory_format=memory_format), IBN.__call__)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, msg=lambda text: f"{name}, {memory_format}: {text}")
        if norm == "BN":
            assert found["output"].is_contiguous(memory_format=memory_format)
            assert found["features"].is_contiguous(memory_format=memory_format)


def test_statistics_of_frozen_layers_have_no_gradient():
    layer = random_layer(8).train()
    layer.BN.eval()
    layer.requires_grad_(False)
    features = torch.randn(4, 8, 5, 6, dtype=torch.float64)
    expected, found = (results(layer, features, forward) for forward in (split_and_join, IBN.__call__))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=lambda text: f"{name}: {text}")


def test_bfloat16_is_computed_in_float32():
    layer = random_layer(8).float().train()
    features = (torch.randn(4, 8, 16, 16) + 2).bfloat16()
    expected = results(layer.double(), features.double(), split_and_join)
    found = results(layer.float(), features, IBN.__call__)
    for name, value in expected.items():
        close = {"rtol": 2**-8, "atol": 2**-8} if found[name].dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-3}
        torch.testing.assert_close(found[name].to(value.dtype), value, **close, msg=lambda text: f"{name}: {text}")


def test_one_position_an_image_is_refused():
    with pytest.raises(ValueError, match="more than one position"):
        IBN(8)(torch.zeros(2, 8, 1, 1))


def test_names_are_those_of_published_weights():
    assert set(IBN(8).state_dict()) == {"IN.weight", "IN.bias"} | {f"BN.{name}" for name in nn.BatchNorm2d(4).state_dict()}
