"""Focal loss of samples with probability 0 or 1."""

import pytest
import torch

from fastpatent.config import get_cfg
from fastpatent.losses import LOSSES
from fastpatent.losses.focal import focal_loss


def test_certain_drawings_right_or_wrong_have_finite_gradients():
    for gamma in [0.0, 0.5, 1.0, 1.5]:
        for of_mean in [True, False]:
            for dtype in [torch.float32, torch.bfloat16]:
                right = torch.tensor([[200.0, -200.0, 0.0]] * 2, dtype=dtype, requires_grad=True)
                loss = focal_loss(right, torch.tensor([0, 0]), 1.0, gamma, of_mean)
                (gradient,) = torch.autograd.grad(loss, right)
                assert loss == 0 and (gradient == 0).all(), f"{gamma=}, {of_mean=}, {dtype=}"
                wrong = focal_loss(right, torch.tensor([1, 1]), 1.0, gamma, of_mean)
                assert wrong.item() == pytest.approx(400) and torch.autograd.grad(wrong, right)[0].isfinite().all(), (
                    f"{gamma=}, {of_mean=}, {dtype=}"
                )


def test_the_builder_reads_its_section():
    for of_mean in [True, False]:
        cfg = get_cfg()
        cfg.MODEL.LOSSES.FL.merge_from_list(["ALPHA", 0.5, "GAMMA", 1.5, "SCALE", 3.0, "OF_MEAN", of_mean])
        objective = LOSSES.get("FocalLoss")(cfg)
        logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
        torch.testing.assert_close(
            objective(logits, labels),
            3 * focal_loss(logits, labels, 0.5, 1.5, of_mean),
            msg=lambda text: f"{text} ({of_mean=})",
        )
        assert (objective.name, objective.reads) == ("loss_focal", "logits"), f"{of_mean=}"
