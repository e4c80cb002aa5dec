"""Every classifier with cross entropy, loss and gradients, against loops in float64 and pytorch-metric-learning."""

import math

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning import losses as library

from fastpatent.config import get_cfg
from fastpatent.errors import ConfigError
from fastpatent.heads.classifying import ClassifyingHead, build_classifier
from tests.waiting import NothingWaits

CLASSES, DIM, BATCH = 6, 4, 8
# targets: some classes with a single sample, and a batch of one class
TARGETS = {"many": [0, 1, 1, 2, 3, 3, 3, 5], "one identity": [2] * BATCH}


def head_of(cls_layer, scale=8.0, margin=0.3, centers=1, easy=False):
    cfg = get_cfg()
    cfg.MODEL.HEADS.NUM_CLASSES, cfg.MODEL.HEADS.CLS_LAYER = CLASSES, cls_layer
    cfg.MODEL.HEADS.SCALE, cfg.MODEL.HEADS.MARGIN = scale, margin
    cfg.MODEL.HEADS.SUB_CENTERS, cfg.MODEL.HEADS.EASY_MARGIN = centers, easy
    torch.manual_seed(0)
    return ClassifyingHead(build_classifier(cfg), DIM)


def one_logit(cls_layer, cosine, is_target, scale, margin, easy):
    """A single logit, from the papers; float64 tensors of one element."""
    if cls_layer == "CosSoftmax":
        return scale * (cosine - margin * is_target)
    if cls_layer == "CircleSoftmax":
        weight = (1 + margin - cosine if is_target else cosine + margin).detach().clamp(min=0)
        return scale * weight * (cosine - (1 - margin if is_target else margin))
    if not is_target or (easy and cosine <= 0):
        return scale * cosine
    return scale * (cosine.acos() + margin).cos()


def loops(features, weight, targets, cls_layer, scale=8.0, margin=0.3, centers=1, easy=False):
    """The mean cross entropy, sample by sample and class by class."""
    losses = []
    for feature, target in zip(features, targets.tolist(), strict=True):
        logits = []
        for number, rows in enumerate(weight.split(centers)):
            if cls_layer == "Linear":
                logits.append(scale * (feature * rows[0]).sum())
                continue
            cosines = [(feature * row).sum() / (feature.square().sum() * row.square().sum()).sqrt() for row in rows]
            logits.append(one_logit(cls_layer, max(cosines), number == target, scale, margin, easy))
        losses.append(torch.stack(logits).logsumexp(0) - logits[target])
    return sum(losses) / len(losses)


SETTINGS = {
    "Linear": {"cls_layer": "Linear"},
    **{
        f"{name} {centers}": {"cls_layer": name, "centers": centers}
        for name in ("CosSoftmax", "ArcSoftmax", "CircleSoftmax")
        for centers in (1, 3)
    },
    "ArcSoftmax easy": {"cls_layer": "ArcSoftmax", "easy": True},
    "ArcSoftmax easy 3": {"cls_layer": "ArcSoftmax", "easy": True, "centers": 3},
    "ArcSoftmax wide": {"cls_layer": "ArcSoftmax", "margin": 1.0},
}


def assert_same(found, ours, expected, theirs, dtype):
    """Compare two losses and their gradients with respect to features and class weights."""
    rounding = 1e-9 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(found.double(), expected, rtol=rounding, atol=rounding)
    gradients = torch.autograd.grad(found, ours), torch.autograd.grad(expected, theirs)
    for tensor, gradient, truth in zip(ours, *gradients, strict=True):
        assert gradient.dtype == tensor.dtype
        rounding = {torch.float64: 1e-7, torch.float32: 1e-4, torch.bfloat16: 2**-8}[tensor.dtype]
        torch.testing.assert_close(gradient.double(), truth, rtol=rounding, atol=rounding * float(truth.abs().max()) / 10)


@pytest.mark.parametrize("name", SETTINGS)
def test_loss_and_gradients_equal_loops(name):
    for labels in TARGETS.values():
        for dtype in (torch.float32, torch.bfloat16):
            head, targets = head_of(**SETTINGS[name]), torch.tensor(labels)
            features = torch.randn(BATCH, DIM).to(dtype).requires_grad_()
            truth = [tensor.detach().double().requires_grad_() for tensor in (features, head.weight)]
            output = head.classify(features, targets, features)
            assert output.logits.dtype == torch.float32 and output.logits.shape == (BATCH, CLASSES)
            assert output.embeddings is features and output.columns is targets
            found = F.cross_entropy(output.logits, targets)
            assert_same(found, [features, head.weight], loops(*truth, targets, **SETTINGS[name]), truth, dtype)


def test_nothing_waits_for_the_device():
    for settings in SETTINGS.values():
        head, features = head_of(**settings), torch.randn(BATCH, DIM, requires_grad=True)
        with NothingWaits() as watched:
            head.classify(features, torch.tensor(TARGETS["many"]), features).logits.sum().backward()
        assert watched.calls > 5, settings


LIBRARY = {
    "CosSoftmax 1": lambda: library.CosFaceLoss(CLASSES, DIM, margin=0.3, scale=8),
    "ArcSoftmax 1": lambda: library.ArcFaceLoss(CLASSES, DIM, margin=math.degrees(0.3), scale=8),
    "ArcSoftmax 3": lambda: library.SubCenterArcFaceLoss(
        num_classes=CLASSES, embedding_size=DIM, margin=math.degrees(0.3), scale=8, sub_centers=3
    ),
}


@pytest.mark.parametrize("labels", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("name", LIBRARY)
def test_loss_and_gradients_equal_pytorch_metric_learning(name, labels):
    head, targets, theirs = head_of(**SETTINGS[name]).double(), torch.tensor(labels), LIBRARY[name]().double()
    features = torch.randn(BATCH, DIM, dtype=torch.float64, requires_grad=True)
    truth = [tensor.detach().clone().requires_grad_() for tensor in (features, head.weight)]
    theirs.W = torch.nn.Parameter(truth[1].detach().T.clone())
    expected = theirs(truth[0], targets)
    found = F.cross_entropy(head.classify(features, targets, features).logits, targets)
    torch.testing.assert_close(found, expected)
    ours = torch.autograd.grad(found, [features, head.weight])
    library_gradients = torch.autograd.grad(expected, [truth[0], theirs.W])
    torch.testing.assert_close(ours[0], library_gradients[0])
    torch.testing.assert_close(ours[1], library_gradients[1].T)


def test_one_centre_and_no_easy_margin_change_nothing():
    plain = head_of("ArcSoftmax")
    assert type(plain.cls_layer).__name__ == "ArcSoftmax"
    assert {name: tuple(value.shape) for name, value in plain.state_dict().items()} == {"weight": (CLASSES, DIM)}
    several = head_of("ArcSoftmax", centers=3)
    assert {name: tuple(value.shape) for name, value in several.state_dict().items()} == {"weight": (3 * CLASSES, DIM)}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"cls_layer": "CosSoftmax", "easy": True}, "MODEL.HEADS.EASY_MARGIN.*CLS_LAYER is CosSoftmax"),
        ({"cls_layer": "Linear", "centers": 2}, "MODEL.HEADS.SUB_CENTERS: Linear"),
        ({"cls_layer": "ArcSoftMax"}, "CLS_LAYER.*ArcSoftmax"),
    ],
)
def test_wrong_settings_name_their_key(settings, message):
    with pytest.raises(ConfigError, match=message):
        head_of(**settings)
