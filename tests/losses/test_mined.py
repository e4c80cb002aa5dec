"""Losses on mined tuples: batch sizes, precision and the configuration."""

import pytest
import torch

from fastpatent.config import get_cfg
from fastpatent.errors import ConfigError
from fastpatent.losses import LOSSES
from fastpatent.losses.mined import mined_contrastive_loss, mined_triplet_loss

FUNCTIONS = {"MinedTripletLoss": mined_triplet_loss, "MinedContrastiveLoss": mined_contrastive_loss}


def test_part_of_a_tuple_is_refused():
    for name in FUNCTIONS:
        with pytest.raises(ConfigError, match="SOLVER.IMS_PER_BATCH: 13 images.*tuple size 7.*NEGATIVES 5"):
            FUNCTIONS[name](torch.randn(13, 4), torch.arange(13), 5)


def test_equal_drawings_have_finite_gradients():
    for name in FUNCTIONS:
        rows = torch.ones(8, 4, requires_grad=True)
        loss = FUNCTIONS[name](rows, torch.arange(8), 2, 0.5)
        loss.backward()
        assert loss > 0 and rows.grad.isfinite().all(), f"{name=}"


def test_autocast_does_not_round():
    for name in FUNCTIONS:
        torch.manual_seed(0)
        rows = torch.nn.functional.normalize(torch.randn(12, 16))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = FUNCTIONS[name](rows, None, 2, 1.0)
        assert found.dtype == torch.float32 and torch.equal(found, FUNCTIONS[name](rows, None, 2, 1.0)), f"{name=}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_builders_read_margin_scale_and_negatives(name):
    cfg = get_cfg()
    cfg.merge_from_list(
        ["MODEL.LOSSES.MINED.MARGIN", 0.7, "MODEL.LOSSES.MINED.SCALE", 3.0, "DATALOADER.MINING.NEGATIVES", 2]
    )
    objective = LOSSES.get(name)(cfg)
    rows = torch.randn(8, 4)
    torch.testing.assert_close(objective(rows, None), 3 * FUNCTIONS[name](rows, None, 2, 0.7))
    assert objective.reads == "tuples"
