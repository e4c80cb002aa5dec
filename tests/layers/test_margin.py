"""Margin classifiers against reference logits and gradients, and against loops in float64."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fastpatent.layers import CLASSIFIERS
from fastpatent.losses.cross_entropy import cross_entropy

SETTINGS = [("CircleSoftmax", 64, 0.35), ("ArcSoftmax", 30, 0.5), ("CosSoftmax", 64, 0.35), ("Linear", 1, 0.0)]


def one_logit(name, cosine, is_target, scale, margin):
    """A single logit, from the papers."""
    if name == "Linear":
        return scale * cosine
    if name == "CosSoftmax":
        return scale * (cosine - margin * is_target)
    if name == "ArcSoftmax":
        return scale * math.cos(math.acos(cosine) + margin * is_target)
    if is_target:
        return scale * max(1 + margin - cosine, 0) * (cosine - (1 - margin))
    return scale * max(cosine + margin, 0) * (cosine - margin)


@pytest.mark.parametrize("name, scale, margin", [*SETTINGS, ("Linear", 8, 0.2), ("ArcSoftmax", 30, 1.0)])
def test_meets_the_formula_logit_by_logit(name, scale, margin):
    cosine = torch.linspace(-1, 1, 41, dtype=torch.float64).reshape(-1, 1).repeat(1, 3)
    targets = torch.arange(41) % 3
    logits = CLASSIFIERS.get(name)(3, scale, margin)(cosine, targets)
    expected = [
        [one_logit(name, value, row % 3 == column, scale, margin) for column, value in enumerate(values)]
        for row, values in enumerate(cosine.tolist())
    ]
    torch.testing.assert_close(logits, torch.tensor(expected, dtype=torch.float64), rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("name, scale, margin", SETTINGS)
def test_meets_the_reference(reference_folder, name, scale, margin):
    for epsilon in [0.0, 0.1]:
        reference = np.load(reference_folder / "dira_losses.npz")
        classifier = CLASSIFIERS.get(name)(8, scale, margin)
        embeddings = torch.from_numpy(reference["embedding"]).requires_grad_()
        weight, labels = torch.from_numpy(reference["class_weight"]), torch.from_numpy(reference["labels"])
        products = (
            F.linear(F.normalize(embeddings), F.normalize(weight)) if classifier.reads_cosine else embeddings @ weight.T
        )
        logits = classifier(products, labels)
        loss = cross_entropy(logits, labels, epsilon)
        loss.backward()
        key = f"{name}_s{scale}_m{margin}"
        expected = torch.from_numpy(reference[f"{key}.ce_eps{epsilon}.grad"])
        torch.testing.assert_close(
            logits,
            torch.from_numpy(reference[f"{key}.logits"]),
            rtol=1e-4,
            atol=1e-4,
            msg=lambda text: f"{text} ({epsilon=})",
        )
        torch.testing.assert_close(
            loss.item(),
            float(reference[f"{key}.ce_eps{epsilon}"]),
            rtol=1e-5,
            atol=0,
            msg=lambda text: f"{text} ({epsilon=})",
        )
        torch.testing.assert_close(
            embeddings.grad,
            expected,
            rtol=1e-4,
            atol=1e-4 * expected.abs().max().item(),
            msg=lambda text: f"{text} ({epsilon=})",
        )


def test_finite_at_and_beyond_the_ends_of_the_cosine():
    for name, scale, margin in SETTINGS:
        for dtype in [torch.float32, torch.bfloat16]:
            ends = torch.tensor([-1.01, -1.0000001, -1, -0.9999999, 0, 0.9999999, 1, 1.0000001, 1.01])
            cosine = ends[:, None].repeat(1, 2).to(dtype).requires_grad_()
            logits = CLASSIFIERS.get(name)(2, scale, margin)(cosine, torch.zeros(len(ends), dtype=torch.int64))
            logits.sum().backward()
            assert logits.dtype == torch.float32, f"{name=}, {dtype=}"
            assert logits.isfinite().all() and cosine.grad.isfinite().all(), f"{name=}, {dtype=}"


def test_a_drawing_without_a_class_receives_no_margin():
    for name in ["CosSoftmax", "ArcSoftmax", "CircleSoftmax"]:
        cosine = torch.linspace(-0.9, 0.9, 12).reshape(3, 4)
        classifier = CLASSIFIERS.get(name)(4, 10, 0.3)
        without = classifier(cosine, torch.tensor([-1, -1, -1]))
        with_class = classifier(cosine, torch.tensor([0, 1, 2]))
        differs = without != with_class
        assert differs.sum() == 3 and differs[[0, 1, 2], [0, 1, 2]].all(), f"{name=}"
