"""Image-text losses against loops over pairs in float64, and against open_clip."""

import math

import pytest
import torch
import torch.nn.functional as F
from open_clip.loss import ClipLoss, SigLipLoss

from fastpatent.losses.image_text import clip_loss, positive_pairs, siglip_loss

BATCH, DIM = 7, 5
LABELS = {
    "pair": None,
    "two patents": torch.tensor([0, 1, 0, 1, 1, 0, 1]),
    "some without": torch.tensor([-1, 4, 4, -1, 2, -1, 4]),
    "all alike": torch.zeros(BATCH, dtype=torch.int64),
}


def cosine(one, other):
    return (one * other).sum() / (one.square().sum() * other.square().sum()).sqrt()


def right_texts(labels, row):
    """Return the positive texts of an image."""
    if labels is None:
        return {row}
    return {row} | {other for other in range(BATCH) if labels[other] == labels[row] >= 0}


def softmax_by_loops(images, texts, scale, bias, labels):
    """For every row of both directions, the mean over its positive pairs of -log(exp(logit) / sum of exp over the row)."""
    logits = [[scale * cosine(image, text) + bias for text in texts] for image in images]
    total = 0
    for table in (logits, list(zip(*logits))):
        for row, values in enumerate(table):
            right = right_texts(labels, row)
            whole = sum(value.exp() for value in values)
            total = total - sum((values[column].exp() / whole).log() for column in right) / len(right)
    return total / (2 * BATCH)


def sigmoid_by_loops(images, texts, scale, bias, labels):
    """Zhai et al., eq. 1, with every positive pair labelled 1."""
    total = 0
    for row, image in enumerate(images):
        for column, text in enumerate(texts):
            sign = 1 if column in right_texts(labels, row) else -1
            total = total - (1 / (1 + (sign * -(scale * cosine(image, text) + bias)).exp())).log()
    return total / BATCH


LOOPS = {clip_loss: softmax_by_loops, siglip_loss: sigmoid_by_loops}


def inputs(dtype=torch.float64):
    random = torch.Generator().manual_seed(3)
    images, texts = torch.randn(2, BATCH, DIM, generator=random, dtype=torch.float64).to(dtype)
    return [
        value.requires_grad_() for value in (images, texts, torch.tensor(9.0, dtype=dtype), torch.tensor(-2.0, dtype=dtype))
    ]


def value_and_gradients(loss, values):
    loss.backward()
    return [loss.detach(), *(torch.zeros_like(value) if value.grad is None else value.grad for value in values)]


@pytest.mark.parametrize("loss", LOOPS)
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_value_and_gradients_are_those_of_loops_over_pairs(loss, labels):
    expected_inputs, found_inputs = inputs(), inputs()
    expected = value_and_gradients(LOOPS[loss](*expected_inputs, labels), expected_inputs)
    positive = None if labels is None else positive_pairs(labels)
    found = value_and_gradients(loss(*found_inputs, positive), found_inputs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss, theirs", [(clip_loss, ClipLoss()), (siglip_loss, SigLipLoss())])
@pytest.mark.parametrize("biased", [True, False])
def test_value_and_gradients_are_those_of_open_clip(loss, theirs, biased):
    ours, reference = inputs(torch.float32), inputs(torch.float32)
    if not biased:
        ours[3] = reference[3] = None
    images, texts, scale, bias = reference
    expected = theirs(F.normalize(images, dim=-1), F.normalize(texts, dim=-1), scale, bias)
    given = [value for value in ours if value is not None]
    expected = value_and_gradients(expected, [value for value in reference if value is not None])
    for found, wanted in zip(value_and_gradients(loss(*ours), given), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_positive_pairs_one_by_one():
    for labels in [labels for labels in LABELS.values() if labels is not None]:
        expected = [[column in right_texts(labels, row) for column in range(BATCH)] for row in range(BATCH)]
        assert positive_pairs(labels).tolist() == expected, f"{labels=}"


def test_labels_that_are_all_different_are_pairs():
    positive = positive_pairs(torch.arange(BATCH))
    for loss in LOOPS:
        torch.testing.assert_close(loss(*inputs(), positive), loss(*inputs()), rtol=1e-12, atol=0)


@pytest.mark.parametrize("loss", LOOPS)
def test_bfloat16_features_lose_no_more_than_their_own_rounding(loss):
    """A large scale amplifies small errors, so the logits must be float32."""
    for autocast in [False, True]:
        images, texts, _, bias = (value.detach() for value in inputs(torch.bfloat16))
        labels = LABELS["two patents"]
        scale = torch.tensor(100.0)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            found = loss(images, texts, scale, bias, positive_pairs(labels))
        exact = LOOPS[loss](images.double(), texts.double(), scale.double(), bias.double(), labels)
        assert found.dtype == torch.float32, f"{autocast=}"
        torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=0, msg=lambda text: f"{text} ({autocast=})")


@pytest.mark.parametrize("loss", LOOPS)
def test_a_scale_at_its_bound_stays_finite(loss):
    images = F.normalize(torch.randn(BATCH, DIM, generator=torch.Generator().manual_seed(0)), dim=1)
    values = [images.clone().requires_grad_(), (-images).requires_grad_(), torch.tensor(100.0), torch.tensor(-10.0)]
    found = loss(*values)
    found.backward()
    assert math.isfinite(found.item()) and found > 50  # every positive pair is opposite
    assert all(value.grad.isfinite().all() for value in values[:2])
