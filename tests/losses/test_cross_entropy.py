"""Smoothed cross entropy against torch's and against loops in float64."""

import math

import pytest
import torch
import torch.nn.functional as F

from fastpatent.config import get_cfg
from fastpatent.losses import LOSSES
from fastpatent.losses.cross_entropy import cross_entropy


def row_by_row(logits, labels, epsilon, alpha):
    """The mean of minus the sum of target times log probability, with plain loops."""
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        log_sum = math.log(sum(map(math.exp, row)))
        smoothing = epsilon if epsilon >= 0 else alpha * math.exp(row[label] - log_sum)
        targets = [1 - smoothing if column == label else smoothing / (len(row) - 1) for column in range(len(row))]
        total -= sum(target * (value - log_sum) for target, value in zip(targets, row, strict=True))
    return total / len(labels)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.4, -1.0])
def test_meets_the_formula(epsilon):
    torch.manual_seed(0)
    logits, labels = 3 * torch.randn(12, 5, dtype=torch.float64), torch.randint(0, 5, (12,))
    assert cross_entropy(logits, labels, epsilon, 0.2).item() == pytest.approx(row_by_row(logits, labels, epsilon, 0.2))


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_equals_torch_with_its_own_smoothing(epsilon):
    logits, labels = torch.randn(12, 5, dtype=torch.float64, requires_grad=True), torch.arange(12) % 5
    found = cross_entropy(logits, labels, epsilon)
    expected = F.cross_entropy(logits, labels, label_smoothing=epsilon * 5 / 4)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (found, expected)))


@pytest.mark.parametrize("epsilon", [0.0, 0.1, -1.0])
def test_half_precision_huge_logits_and_a_single_class_are_finite(epsilon):
    logits = torch.tensor([[400.0, -400.0, 0.0]], dtype=torch.bfloat16)
    loss = cross_entropy(logits, torch.tensor([1]), epsilon)
    assert loss.dtype == torch.float32 and loss.isfinite()
    assert cross_entropy(torch.randn(4, 1), torch.zeros(4, dtype=torch.int64), epsilon) == 0


def test_the_builder_reads_epsilon_and_scale():
    cfg = get_cfg()
    cfg.MODEL.LOSSES.CE.EPSILON, cfg.MODEL.LOSSES.CE.SCALE = 0.1, 2.0
    objective = LOSSES.get("CrossEntropyLoss")(cfg)
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(objective(logits, labels), 2 * cross_entropy(logits, labels, 0.1))
    assert (objective.name, objective.reads) == ("loss_cls", "logits")
