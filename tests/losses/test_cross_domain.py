"""Cross-domain triplets: which pairs are used."""

import pytest
import torch

from fastpatent.config import get_cfg
from fastpatent.losses import LOSSES
from fastpatent.losses.cross_domain import cross_domain_triplet_loss

LABELS = torch.arange(8) // 2


def test_no_triplet_no_loss_no_gradient():
    for domains in [[0] * 8, [1] * 8, [0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 0, 0, 0, 0, 0]]:
        for hard_mining in [True, False]:
            rows = torch.randn(8, 4, requires_grad=True)
            loss = cross_domain_triplet_loss(rows, LABELS, torch.tensor(domains), 0.0, hard_mining)
            loss.backward()
            assert loss == 0 and (rows.grad == 0).all(), f"{domains=}, {hard_mining=}"


@pytest.mark.parametrize("hard_mining", [True, False])
def test_drawings_are_compared_with_photographs_only(hard_mining):
    """The gradient of one drawing does not depend on other drawings, only on photographs."""
    torch.manual_seed(0)
    rows, domains = torch.randn(8, 4, requires_grad=True), torch.arange(8) % 2
    gradients = torch.autograd.grad(
        cross_domain_triplet_loss(rows, LABELS, domains, 9.0, hard_mining), rows, create_graph=True
    )[0]
    mixed = torch.autograd.grad(gradients[0].sum(), rows)[0]
    assert (mixed[domains == 0][1:] == 0).all() and (mixed[domains == 1] != 0).any()


def test_the_builder_reads_the_settings_of_the_triplet_loss():
    cfg = get_cfg()
    cfg.MODEL.LOSSES.TRI.merge_from_list(["MARGIN", 0.1, "HARD_MINING", True, "NORM_FEAT", True, "SCALE", 3.0])
    objective = LOSSES.get("CrossDomainTripletLoss")(cfg)
    rows, domains = torch.randn(8, 4), torch.arange(8) % 2
    expected = 3 * cross_domain_triplet_loss(rows, LABELS, domains, 0.1, True, True)
    torch.testing.assert_close(objective(rows, LABELS, domains=domains), expected)
    assert objective.reads == "domains"
