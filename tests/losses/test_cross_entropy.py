"""Smoothed cross entropy in half precision and with a single class."""

import torch

from fastpatent.config import get_cfg
from fastpatent.losses import LOSSES
from fastpatent.losses.cross_entropy import cross_entropy


def test_half_precision_huge_logits_and_a_single_class_are_finite():
    for epsilon in [0.0, 0.1, -1.0]:
        logits = torch.tensor([[400.0, -400.0, 0.0]], dtype=torch.bfloat16)
        loss = cross_entropy(logits, torch.tensor([1]), epsilon)
        assert loss.dtype == torch.float32 and loss.isfinite(), f"{epsilon=}"
        assert cross_entropy(torch.randn(4, 1), torch.zeros(4, dtype=torch.int64), epsilon) == 0, f"{epsilon=}"


def test_the_builder_reads_epsilon_and_scale():
    cfg = get_cfg()
    cfg.MODEL.LOSSES.CE.EPSILON, cfg.MODEL.LOSSES.CE.SCALE = 0.1, 2.0
    objective = LOSSES.get("CrossEntropyLoss")(cfg)
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(objective(logits, labels), 2 * cross_entropy(logits, labels, 0.1))
    assert (objective.name, objective.reads) == ("loss_cls", "logits")
