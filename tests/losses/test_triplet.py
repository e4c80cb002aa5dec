"""Triplet loss at any distance against loops over pairs."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fastpatent.losses.pairs import euclidean_matrix
from fastpatent.losses.triplet import triplet_loss


def drawing_by_drawing(embeddings, labels, margin, hard_mining, normalize):
    """The formula in float64, anchor by anchor, with `math` only."""
    rows, losses = (F.normalize(embeddings) if normalize else embeddings).double().tolist(), []
    for anchor, label in zip(rows, labels.tolist(), strict=True):
        same, other = [], []
        for row, row_label in zip(rows, labels.tolist(), strict=True):
            distance = math.dist(anchor, row) ** (2 if normalize else 1)
            (same if row_label == label else other).append(distance)
        if hard_mining:
            positive, negative = max(same), min(other)
        else:
            positive, negative = average(same, 1), average(other, -1)
        difference = positive - negative
        losses.append(max(0, margin + difference) if margin > 0 else np.logaddexp(0, difference))
    return sum(losses) / len(losses)


def average(distances, sign):
    """Mean weighted by exp(sign * distance), shifted by the largest exponent."""
    shift = max(sign * distance for distance in distances)
    weights = [math.exp(sign * distance - shift) for distance in distances]
    return sum(w * d for w, d in zip(weights, distances, strict=True)) / sum(weights)


@pytest.mark.parametrize("margin", [0.0, 0.3, 30.0])
@pytest.mark.parametrize("hard_mining", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("scale", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_loops_at_any_distance(margin, hard_mining, normalize, scale, dtype):
    torch.manual_seed(0)
    embeddings, labels = scale * torch.randn(12, 16, dtype=torch.float64), torch.arange(12) % 4
    expected = drawing_by_drawing(embeddings, labels, margin, hard_mining, normalize)
    found = triplet_loss(embeddings.to(dtype), labels, margin, hard_mining, normalize)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-9
    assert found.item() == pytest.approx(expected, rel=tolerance, abs=tolerance * 1e-2)


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_the_weighted_variant_at_the_distances_of_the_reference(shared, margin):
    reference = np.load(shared / "reference" / "dira_losses.npz")
    embeddings, labels = torch.from_numpy(reference["embedding"]), torch.from_numpy(reference["labels"])
    expected = drawing_by_drawing(embeddings, labels, margin, False, False)
    found = triplet_loss(embeddings, labels, margin)
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_distances_far_from_the_origin_keep_their_digits():
    torch.manual_seed(0)
    embeddings = 1000 + 0.1 * torch.randn(6, 32, dtype=torch.float64)
    rounded = embeddings.float()
    expected = torch.cdist(rounded.double(), rounded.double())
    found = euclidean_matrix(rounded).double()
    off_diagonal = ~torch.eye(6, dtype=torch.bool)
    torch.testing.assert_close(found[off_diagonal], expected[off_diagonal], rtol=1e-3, atol=0)


def test_the_soft_margin_at_distance_zero_has_a_finite_gradient():
    embeddings = torch.ones(4, 8, requires_grad=True)
    loss = triplet_loss(embeddings, torch.tensor([0, 0, 1, 1]), margin=0.0, hard_mining=True)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert embeddings.grad.isfinite().all()
