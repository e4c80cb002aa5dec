"""What the network passes to each kind of loss."""

import pytest
import torch

from fastpatent.heads.classifying import HeadOutput
from fastpatent.losses.cross_domain import cross_domain_triplet_loss
from fastpatent.losses.focal import focal_loss
from fastpatent.losses.mined import mined_triplet_loss
from fastpatent.models import build_model


@pytest.fixture
def model(challenge_config):
    names = ("FocalLoss", "CrossDomainTripletLoss", "MinedTripletLoss")
    settings = {"MODEL.LOSSES.NAME": names, "DATALOADER.MINING.NEGATIVES": 1, "MODEL.LOSSES.MINED.MARGIN": 9.0}
    return build_model(challenge_config(classes=5, **settings)).train()


def test_each_loss_gets_its_inputs(model):
    torch.manual_seed(0)
    targets, domains = torch.tensor([40, 41, 40, 42, 41, 42]), torch.tensor([0, 1, 1, 0, 0, 1])
    output = HeadOutput(torch.randn(6, 5), torch.randn(6, 8), torch.tensor([0, 1, 0, 2, 1, 2]))
    losses = model.objective_losses(output, targets, domains)
    torch.testing.assert_close(losses["loss_focal"], focal_loss(output.logits, output.columns))
    torch.testing.assert_close(losses["loss_mined_triplet"], mined_triplet_loss(output.embeddings, None, 1, 9.0))
    expected = cross_domain_triplet_loss(output.embeddings, targets, domains, 0.0, True)
    torch.testing.assert_close(losses["loss_cross_domain"], expected)
    swapped = model.objective_losses(output, targets, 1 - domains)
    assert swapped["loss_cross_domain"] != expected


def test_domains_reach_the_losses(model):
    torch.manual_seed(0)
    images = torch.randint(0, 256, (6, 1, 32, 32), dtype=torch.uint8)
    targets = torch.tensor([0, 0, 1, 1, 2, 2])
    mixed, drawings = (
        model(images, targets, domains) for domains in (torch.arange(6) % 2, torch.zeros(6, dtype=torch.int64))
    )
    assert mixed["loss_cross_domain"] > 0 and drawings["loss_cross_domain"] == 0
