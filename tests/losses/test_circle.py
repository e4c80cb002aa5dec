"""Circle loss against plain loops over pairs and against pytorch-metric-learning."""

import math

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning.losses import CircleLoss

from fastpatent.losses.circle import circle_loss


def batch():
    torch.manual_seed(0)
    return torch.randn(9, 6, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("margin", [0.0, 0.25, 0.4])
@pytest.mark.parametrize("gamma", [1, 32, 128])
def test_equals_loops_over_pairs(margin, gamma):
    embeddings, labels = batch()
    unit = F.normalize(embeddings).tolist()
    total = 0.0
    for anchor, label in enumerate(labels.tolist()):
        pull, push = [], []
        for other, other_label in enumerate(labels.tolist()):
            cosine = sum(a * b for a, b in zip(unit[anchor], unit[other], strict=True))
            if other_label != label:
                push.append(gamma * max(cosine + margin, 0) * (cosine - margin))
            elif other != anchor:
                pull.append(-gamma * max(1 + margin - cosine, 0) * (cosine - (1 - margin)))
        total += math.log1p(sum(map(math.exp, pull)) * sum(map(math.exp, push)))
    assert circle_loss(embeddings, labels, margin, gamma).item() == pytest.approx(total / len(labels), rel=1e-9)


@pytest.mark.parametrize("margin", [0.25, 0.4])
def test_equals_pytorch_metric_learning_with_gradients(margin):
    embeddings, labels = batch()
    embeddings.requires_grad_()
    found, expected = circle_loss(embeddings, labels, margin, 80), CircleLoss(margin, 80)(embeddings, labels)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, embeddings)[0] for loss in (found, expected)))
