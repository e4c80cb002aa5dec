"""Every pooling name against its formula in float64."""

import pytest
import torch

from fastpatent.errors import ConfigError
from fastpatent.layers import POOLING
from fastpatent.layers.gem import generalized_mean


def average(rows):
    return rows.mean(-1)


def maximum(rows):
    return rows.amax(-1)


def gem(rows):
    return (rows.clamp(min=1e-6) ** 3).mean(-1) ** (1 / 3)


FORMULAS = {
    "GlobalAvgPool": average,
    "FastGlobalAvgPool": average,
    "GlobalMaxPool": maximum,
    "AdaptiveAvgMaxPool": lambda rows: average(rows) + maximum(rows),
    "ClipGlobalAvgPool": lambda rows: average(rows).clamp(0, 1),
    "GeneralizedMeanPooling": gem,
    "GeneralizedMeanPoolingP": gem,
}


def feature_maps():
    torch.manual_seed(0)
    return torch.randn(3, 10, 4, 6) * torch.linspace(0.1, 4, 10)[:, None, None] + 0.3


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_meets_its_formula(name, dtype):
    features = feature_maps().to(dtype)
    pooled = POOLING.get(name)()(features)
    expected = FORMULAS[name](features.double().flatten(2))
    assert pooled.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert pooled.shape == (3, 10, 1, 1)
    torch.testing.assert_close(pooled.flatten(1).double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "shape"), [("Identity", (3, 10, 4, 6)), ("Flatten", (3, 240))])
def test_identity_and_flatten_keep_every_value(name, shape):
    features = feature_maps()
    assert torch.equal(POOLING.get(name)()(features), features.reshape(shape))


def test_only_the_learned_mean_has_a_parameter():
    parameters = {name: [key for key, _ in POOLING.get(name)().named_parameters()] for name in POOLING.names()}
    assert parameters.pop("GeneralizedMeanPoolingP") == ["p"]
    assert not any(parameters.values())


@pytest.mark.parametrize("p", [1.0, 3.0, 7.5])
def test_gradients_of_the_generalised_mean(p):
    p = torch.tensor([p], dtype=torch.float64, requires_grad=True)
    features = feature_maps().double().clamp(min=0.01).requires_grad_()
    assert torch.autograd.gradcheck(generalized_mean, (features[:1, :3], p))


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-9), (torch.float32, 1e-4), (torch.bfloat16, 0.01)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("p", [0.7, 1.0, 3.0])
def test_gradients_are_those_of_the_formula_below_the_floor_too(dtype, tolerance, layout, p):
    features = feature_maps().sub(0.5).to(dtype).contiguous(memory_format=layout).requires_grad_()
    assert (features < 0.3).any() and (features > 0.3).any()
    learned = torch.tensor([p], requires_grad=True)
    weights = torch.randn(3, 10, dtype=torch.float64)
    pooled = generalized_mean(features, learned, eps=0.3)
    (pooled.flatten(1) * weights).sum().backward()
    truth, exponent = features.detach().double().requires_grad_(), torch.tensor([p], dtype=torch.float64, requires_grad=True)
    expected = (truth.clamp(min=0.3) ** exponent).mean((2, 3)) ** (1 / exponent)
    (expected * weights).sum().backward()
    torch.testing.assert_close(pooled.flatten(1).double(), expected, rtol=1e-5, atol=0)
    assert features.grad.dtype == dtype
    torch.testing.assert_close(features.grad.double(), truth.grad, rtol=tolerance, atol=1e-6)
    torch.testing.assert_close(learned.grad.double(), exponent.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1e4, 1e12])
@pytest.mark.parametrize("p", [3.0, 60.0])
def test_the_generalised_mean_neither_overflows_nor_vanishes(scale, p):
    features = (feature_maps().abs() + 0.1) * scale
    expected = ((features.double().clamp(min=1e-6) / scale) ** p).mean((2, 3)) ** (1 / p) * scale
    torch.testing.assert_close(generalized_mean(features, p).flatten(1).double(), expected, rtol=2e-5, atol=0)


def test_blank_channels_give_the_floor_and_finite_gradients():
    features = torch.zeros(2, 3, 4, 4, requires_grad=True)
    pooled = POOLING.get("GeneralizedMeanPoolingP")()(features)
    pooled.sum().backward()
    torch.testing.assert_close(pooled, torch.full((2, 3, 1, 1), 1e-6))
    assert features.grad.isfinite().all()


def test_an_unknown_pooling_names_the_key_and_the_nearest_name():
    with pytest.raises(ConfigError, match="MODEL.HEADS.POOL_LAYER.*GeneralizedMeanPooling"):
        POOLING.get("GeneralisedMeanPoolingP")
