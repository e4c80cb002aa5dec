"""Triplet loss at any distance against loops over pairs."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from fastpatent.losses.pairs import euclidean_matrix
from fastpatent.losses.triplet import triplet_loss
from tests.losses import formulas


@pytest.mark.parametrize("scale", [0.1, 1.0, 20.0])
def test_equals_loops_at_any_distance(scale):
    torch.manual_seed(0)
    embeddings, labels = scale * torch.randn(12, 16, dtype=torch.float64), torch.arange(12) % 4
    for margin, hard_mining, normalize in product((0.0, 0.3, 30.0), (True, False), (True, False)):
        expected = formulas.triplet(embeddings, labels, margin, hard_mining, normalize).item()
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-9)):
            found = triplet_loss(embeddings.to(dtype), labels, margin, hard_mining, normalize).item()
            assert found == pytest.approx(expected, rel=tolerance, abs=tolerance * 1e-2), (
                f"{margin=}, {hard_mining=}, {normalize=}, {dtype=}"
            )


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_the_weighted_variant_at_the_distances_of_the_reference(reference_folder, margin):
    reference = np.load(reference_folder / "dira_losses.npz")
    embeddings, labels = torch.from_numpy(reference["embedding"]), torch.from_numpy(reference["labels"])
    expected = formulas.triplet(embeddings.double(), labels, margin, False, False).item()
    found = triplet_loss(embeddings, labels, margin)
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_distances_far_from_the_origin_are_precise():
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
