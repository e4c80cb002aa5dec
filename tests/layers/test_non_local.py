"""Non-local block against the N x N form of the paper in float64."""

import torch
from torch import nn

from fastpatent.layers.non_local import NonLocal


def fill(module):
    """Randomise all parameters, including the last norm, so that the block is not the identity."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
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


def test_equals_the_paper_with_gradients():
    for width in [1, 8]:
        for training in [True, False]:
            block = fill(NonLocal(16, width=width)).double().train(training)
            features = torch.randn(3, 16, 5, 7, dtype=torch.float64, requires_grad=True)
            weights = torch.randn(3, 16, 5, 7, dtype=torch.float64)
            expected = position_by_position(block, features)
            (expected_gradient,) = torch.autograd.grad((expected * weights).sum(), features)
            found = block(features)
            (gradient,) = torch.autograd.grad((found * weights).sum(), features)
            torch.testing.assert_close(found, expected, msg=lambda text: f"{text} ({width=}, {training=})")
            torch.testing.assert_close(gradient, expected_gradient, msg=lambda text: f"{text} ({width=}, {training=})")


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
