"""Common properties of circle, CosFace and triplet loss: batches without pairs, half precision, reference values."""

import numpy as np
import pytest
import torch

from fastpatent.config import get_cfg
from fastpatent.losses import LOSSES
from fastpatent.losses.circle import circle_loss
from fastpatent.losses.cosface import pairwise_cosface
from fastpatent.losses.triplet import triplet_loss


def triplets(margin, hard_mining, normalize):
    def loss(embeddings, labels):
        return triplet_loss(embeddings, labels, margin, hard_mining, normalize)

    return loss


LOSS_FUNCTIONS = {
    "circle": circle_loss,
    "cosface": pairwise_cosface,
    **{
        f"triplet_{margin}_{hard}_{norm}": triplets(margin, hard, norm)
        for margin in (0.0, 0.3)
        for hard in (True, False)
        for norm in (True, False)
    },
}


@pytest.mark.parametrize("labels", [[3] * 6, list(range(6))], ids=["one identity", "all different"])
def test_no_triplet_no_loss_no_gradient(labels):
    for name in LOSS_FUNCTIONS:
        embeddings = torch.randn(6, 8, requires_grad=True)
        loss = LOSS_FUNCTIONS[name](embeddings, torch.tensor(labels))
        loss.backward()
        assert loss == 0, f"{name=}"
        assert (embeddings.grad == 0).all(), f"{name=}"


def test_equal_drawings_and_any_length_are_finite():
    for name in LOSS_FUNCTIONS:
        for scale in [1e-4, 1.0, 1e3]:
            torch.manual_seed(0)
            embeddings = scale * torch.randn(4, 8).repeat_interleave(2, dim=0)
            embeddings[6:] = embeddings[0]  # a sample of another identity at distance 0
            embeddings.requires_grad_()
            loss = LOSS_FUNCTIONS[name](embeddings, torch.arange(8) // 2)
            loss.backward()
            assert loss.isfinite() and embeddings.grad.isfinite().all(), f"{name=}, {scale=}"


def test_autocast_does_not_round_the_pairs():
    for name in LOSS_FUNCTIONS:
        torch.manual_seed(0)
        embeddings, labels = 0.2 * torch.randn(12, 32), torch.arange(12) // 3
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = LOSS_FUNCTIONS[name](embeddings, labels)
            half = LOSS_FUNCTIONS[name](embeddings.bfloat16(), labels)
        assert found.dtype == half.dtype == torch.float32, f"{name=}"
        torch.testing.assert_close(found, LOSS_FUNCTIONS[name](embeddings, labels), msg=lambda text: f"{text} ({name=})")
        assert half.isfinite(), f"{name=}"


# Not circle: its brackets have no gradient by design; it is compared with pytorch-metric-learning.
def test_an_identity_with_one_drawing_is_a_negative_only():
    for name in [name for name in LOSS_FUNCTIONS if name != "circle"]:
        torch.manual_seed(0)
        embeddings = torch.randn(7, 8, dtype=torch.float64, requires_grad=True)
        labels = torch.tensor([0, 0, 1, 1, 2, 2, 9])
        assert torch.autograd.gradcheck(lambda rows: LOSS_FUNCTIONS[name](rows, labels), embeddings), f"{name=}"


REFERENCE = [
    ("pairwise_circle_m0.25_g128", circle_loss),
    ("pairwise_circle_m0.25_g32", lambda rows, labels: circle_loss(rows, labels, gamma=32)),
    *(
        (f"triplet_{margin}_hard{hard}_norm{norm}", triplets(value, bool(hard), bool(norm)))
        for margin, value in (("soft_margin", 0.0), ("m0.3", 0.3))
        # Not (0, 0): the published weighted variant underflows at the distances of this file.
        for hard, norm in ((1, 1), (1, 0), (0, 1))
    ),
]


@pytest.mark.parametrize(("key", "loss"), REFERENCE, ids=[key for key, _ in REFERENCE])
def test_meets_the_reference(reference_folder, key, loss):
    reference = np.load(reference_folder / "dira_losses.npz")
    embeddings = torch.from_numpy(reference["embedding"]).requires_grad_()
    found = loss(embeddings, torch.from_numpy(reference["labels"]))
    found.backward()
    expected = torch.from_numpy(reference[f"{key}.grad"])
    assert found.item() == pytest.approx(float(reference[key]), rel=1e-4)
    torch.testing.assert_close(embeddings.grad, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item() + 1e-12)


@pytest.mark.parametrize(
    ("name", "section", "expected"),
    [
        ("CircleLoss", "CIRCLE", lambda rows, labels: circle_loss(rows, labels, 0.1, 16)),
        ("Cosface", "COSFACE", lambda rows, labels: pairwise_cosface(rows, labels, 0.1, 16)),
        ("TripletLoss", "TRI", lambda rows, labels: triplet_loss(rows, labels, 0.1, True, True)),
    ],
)
def test_builders_read_their_section_and_scale(name, section, expected):
    cfg = get_cfg()
    settings = cfg.MODEL.LOSSES[section]
    settings.MARGIN, settings.SCALE = 0.1, 3.0
    if section == "TRI":
        settings.HARD_MINING = settings.NORM_FEAT = True
    else:
        settings.GAMMA = 16
    objective = LOSSES.get(name)(cfg)
    embeddings, labels = torch.randn(8, 4), torch.arange(8) // 2
    torch.testing.assert_close(objective(embeddings, labels), 3 * expected(embeddings, labels))
    assert objective.reads == "embeddings"
