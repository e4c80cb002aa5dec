"""Non-local block against the N x N form of the paper in float64."""

import copy

import pytest
import torch
from torch import nn

from fastpatent.layers.non_local import NonLocal


def fill(module):
    """Randomise all parameters, including the last norm, so that the block is not the identity."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    if isinstance(module.W[1], nn.BatchNorm2d):
        nn.init.uniform_(module.W[1].running_var, 0.5, 2)
        nn.init.normal_(module.W[1].running_mean)
    return module


def position_by_position(block, features):
    """The form of the paper: every position weights every other, f = theta^T phi / N, y = f g."""
    g, theta, phi = (convolution(features).flatten(2) for convolution in (block.g, block.theta, block.phi))
    weights = theta.transpose(1, 2) @ phi / g.shape[2]
    response = (weights @ g.transpose(1, 2)).transpose(1, 2)
    response = response.reshape(len(features), -1, *features.shape[2:])
    return features + block.W(response)


def results(block, features, forward):
    """Return the output, all gradients, and the running statistics after the pass, by name."""
    block, features = copy.deepcopy(block), features.clone().requires_grad_()
    output = forward(block, features)
    output.backward(torch.linspace(-1, 2, output.numel(), dtype=output.dtype).cos().reshape(output.shape))
    gradients = {name: parameter.grad for name, parameter in block.named_parameters()}
    return {"output": output.detach(), "features": features.grad} | gradients | dict(block.named_buffers())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("width, norm", [(1, "BN"), (8, "BN"), (1, "GN")])
def test_equals_the_paper_with_gradients(width, norm, training):
    block = fill(NonLocal(16, norm, width)).double().train(training)
    features = torch.randn(3, 16, 5, 7, dtype=torch.float64)
    expected = results(block, features, position_by_position)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        found = results(block, features.contiguous(memory_format=memory_format), NonLocal.__call__)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, msg=lambda text: f"{name}, {memory_format}: {text}")


def test_bfloat16_is_close_to_float64_and_keeps_its_layout():
    block = fill(NonLocal(16)).train()
    features = torch.randn(8, 16, 8, 8).bfloat16().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        found = block(features)
    expected = position_by_position(block.double(), features.double())
    assert found.dtype == torch.bfloat16 and found.is_contiguous(memory_format=torch.channels_last)
    assert (found.double() - expected).norm() / expected.norm() < 0.01


def test_width_one_is_theta_times_the_mean_of_phi_times_g():
    block = fill(NonLocal(16)).double().eval()
    features = torch.randn(2, 16, 6, 6, dtype=torch.float64)
    mean = (block.phi(features) * block.g(features)).mean((2, 3), keepdim=True)
    torch.testing.assert_close(block(features), features + block.W(block.theta(features) * mean))


def test_a_new_block_is_the_identity():
    features = torch.randn(2, 16, 6, 6)
    assert torch.equal(NonLocal(16)(features), features)


def test_set_width_changes_neither_dtype_nor_the_last_norm():
    block = fill(NonLocal(16)).double()
    norm = block.W[1]
    block.set_width(8)
    assert block.width == 8 and block.W[1] is norm
    features = torch.randn(2, 16, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(block(features), position_by_position(block, features))


def test_large_features_stay_finite_under_autocast():
    for dtype in [torch.bfloat16, torch.float16]:
        block = NonLocal(64).train()
        features = 40 * torch.randn(4, 64, 8, 8)
        with torch.autocast("cpu", dtype=dtype):
            assert block(features).isfinite().all(), f"{dtype=}"
