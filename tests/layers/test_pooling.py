"""Every registered pooling against its formula in float64."""

import pytest
import torch

from fastpatent.errors import ConfigError
from fastpatent.layers import POOLING
from fastpatent.layers.gem import generalized_mean


def average(row):
    return sum(row) / len(row)


def maximum(row):
    """The largest value; tied values share its gradient."""
    return average([value for value in row if value == max(row)])


def gem(row):
    return average([value.clamp(min=1e-6) ** 3 for value in row]) ** (1 / 3)


FORMULAS = {
    "GlobalAvgPool": average,
    "FastGlobalAvgPool": average,
    "GlobalMaxPool": maximum,
    "AdaptiveAvgMaxPool": lambda row: average(row) + maximum(row),
    "ClipGlobalAvgPool": lambda row: average(row).clamp(0, 1),
    "GeneralizedMeanPooling": gem,
    "GeneralizedMeanPoolingP": gem,
}


def feature_maps():
    torch.manual_seed(0)
    return torch.randn(3, 10, 4, 6) * torch.linspace(0.1, 4, 10)[:, None, None] + 0.3


@pytest.mark.parametrize("name", FORMULAS)
def test_meets_its_formula_with_gradients(name):
    for dtype in [torch.float32, torch.float64, torch.bfloat16]:
        features = feature_maps().to(dtype).requires_grad_()
        truth = features.detach().double().requires_grad_()
        pooled = POOLING.get(name)()(features)
        expected = torch.stack([FORMULAS[name](list(row)) for row in truth.flatten(2).flatten(0, 1)])
        assert pooled.dtype == (torch.float64 if dtype == torch.float64 else torch.float32), f"{dtype=}"
        assert pooled.shape == (3, 10, 1, 1), f"{dtype=}"
        torch.testing.assert_close(
            pooled.flatten().double(), expected, rtol=1e-5, atol=1e-6, msg=lambda text: f"{text} ({dtype=})"
        )
        weights = torch.linspace(-1, 2, len(expected), dtype=torch.float64)
        (gradient,) = torch.autograd.grad((pooled.flatten() * weights).sum(), features)
        (true_gradient,) = torch.autograd.grad((expected * weights).sum(), truth)
        rounding = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 2**-8}[dtype]
        assert gradient.dtype == dtype, f"{dtype=}"
        torch.testing.assert_close(
            gradient.double(), true_gradient, rtol=rounding, atol=1e-6, msg=lambda text: f"{text} ({dtype=})"
        )


@pytest.mark.parametrize(("name", "shape"), [("Identity", (3, 10, 4, 6)), ("Flatten", (3, 240))])
def test_identity_and_flatten_change_no_value(name, shape):
    features = feature_maps()
    assert torch.equal(POOLING.get(name)()(features), features.reshape(shape))


def test_only_the_learned_mean_has_a_parameter():
    parameters = {name: [key for key, _ in POOLING.get(name)().named_parameters()] for name in POOLING.names()}
    assert parameters.pop("GeneralizedMeanPoolingP") == ["p"]
    assert not any(parameters.values())


def test_gradients_of_the_generalised_mean():
    for p in [1.0, 3.0, 7.5]:
        p = torch.tensor([p], dtype=torch.float64, requires_grad=True)
        features = feature_maps().double().clamp(min=0.01).requires_grad_()
        assert torch.autograd.gradcheck(generalized_mean, (features[:1, :3], p)), f"{p=}"


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-9), (torch.float32, 1e-4), (torch.bfloat16, 0.01)])
def test_gradients_are_those_of_the_formula_below_the_floor_too(dtype, tolerance):
    for layout in [torch.contiguous_format, torch.channels_last]:
        for p in [0.7, 1.0, 3.0]:
            features = feature_maps().sub(0.5).to(dtype).contiguous(memory_format=layout).requires_grad_()
            assert (features < 0.3).any() and (features > 0.3).any(), f"{layout=}, {p=}"
            learned = torch.tensor([p], requires_grad=True)
            weights = torch.randn(3, 10, dtype=torch.float64)
            pooled = generalized_mean(features, learned, eps=0.3)
            (pooled.flatten(1) * weights).sum().backward()
            truth, exponent = (
                features.detach().double().requires_grad_(),
                torch.tensor([p], dtype=torch.float64, requires_grad=True),
            )
            expected = (truth.clamp(min=0.3) ** exponent).mean((2, 3)) ** (1 / exponent)
            (expected * weights).sum().backward()
            torch.testing.assert_close(
                pooled.flatten(1).double(), expected, rtol=1e-5, atol=0, msg=lambda text: f"{text} ({layout=}, {p=})"
            )
            assert features.grad.dtype == dtype, f"{layout=}, {p=}"
            torch.testing.assert_close(
                features.grad.double(), truth.grad, rtol=tolerance, atol=1e-6, msg=lambda text: f"{text} ({layout=}, {p=})"
            )
            torch.testing.assert_close(
                learned.grad.double(), exponent.grad, rtol=1e-4, atol=1e-5, msg=lambda text: f"{text} ({layout=}, {p=})"
            )


def test_the_generalised_mean_neither_overflows_nor_vanishes():
    for scale in [1e-3, 1e4, 1e12]:
        for p in [3.0, 60.0]:
            features = (feature_maps().abs() + 0.1) * scale
            expected = ((features.double().clamp(min=1e-6) / scale) ** p).mean((2, 3)) ** (1 / p) * scale
            torch.testing.assert_close(
                generalized_mean(features, p).flatten(1).double(),
                expected,
                rtol=2e-5,
                atol=0,
                msg=lambda text: f"{text} ({scale=}, {p=})",
            )


def test_blank_channels_give_the_floor_and_finite_gradients():
    features = torch.zeros(2, 3, 4, 4, requires_grad=True)
    pooled = POOLING.get("GeneralizedMeanPoolingP")()(features)
    pooled.sum().backward()
    torch.testing.assert_close(pooled, torch.full((2, 3, 1, 1), 1e-6))
    assert features.grad.isfinite().all()


def test_an_unknown_pooling_names_the_key_and_the_nearest_name():
    with pytest.raises(ConfigError, match="MODEL.HEADS.POOL_LAYER.*GeneralizedMeanPooling"):
        POOLING.get("GeneralisedMeanPoolingP")
