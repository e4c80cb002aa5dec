"""Pairwise CosFace against plain loops over triplets."""

import math

import pytest
import torch
import torch.nn.functional as F

from fastpatent.losses.cosface import pairwise_cosface


@pytest.mark.parametrize("margin", [0.0, 0.25])
@pytest.mark.parametrize("gamma", [1, 64])
def test_equals_loops_over_triplets(margin, gamma):
    torch.manual_seed(0)
    embeddings, labels = torch.randn(9, 6, dtype=torch.float64), [0, 1, 2, 0, 1, 2, 0, 1, 2]
    cosine = (F.normalize(embeddings) @ F.normalize(embeddings).T).tolist()
    total = 0.0
    for anchor, label in enumerate(labels):
        positives = [i for i, other in enumerate(labels) if other == label and i != anchor]
        negatives = [i for i, other in enumerate(labels) if other != label]
        # The product of the two sums, written out: one term for every triplet.
        terms = (cosine[anchor][n] + margin - cosine[anchor][p] for p in positives for n in negatives)
        total += math.log1p(sum(math.exp(gamma * term) for term in terms))
    found = pairwise_cosface(embeddings, torch.tensor(labels), margin, gamma)
    assert found.item() == pytest.approx(total / len(labels), rel=1e-9)
