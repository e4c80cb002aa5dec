"""Every loss and its gradient, in float32 and bfloat16, against loops in float64 and pytorch-metric-learning."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning import losses as library
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.reducers import MeanReducer

from fastpatent.losses.circle import circle_loss
from fastpatent.losses.cosface import pairwise_cosface
from fastpatent.losses.cross_domain import cross_domain_triplet_loss
from fastpatent.losses.cross_entropy import cross_entropy
from fastpatent.losses.focal import focal_loss
from fastpatent.losses.mined import mined_contrastive_loss, mined_triplet_loss
from fastpatent.losses.pairs import EMPTY, Past
from fastpatent.losses.triplet import triplet_loss
from tests.losses import formulas
from tests.waiting import NothingWaits

DRAWINGS, DIM = 12, 5
LABELS = {
    "identities of three": [0, 1, 2, 3] * 3,
    "identities of one, two and more": [0, 0, 1, 1, 1, 2, 3, 4, 4, 4, 4, 1],
    "one identity": [3] * DRAWINGS,
    "all different": list(range(DRAWINGS)),
}
DOMAINS = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0])

# name: (ours, formula, settings)
PAIRS = {
    **{f"circle {m} {g}": (circle_loss, formulas.circle, (m, g)) for m, g in ((0.25, 128), (0.0, 1), (0.4, 32))},
    **{f"cosface {m} {g}": (pairwise_cosface, formulas.cosface, (m, g)) for m, g in ((0.25, 64), (0.0, 1))},
    **{
        f"triplet {margin} {'hard' if hard else 'weighted'} {'unit' if unit else ''}": (
            triplet_loss,
            formulas.triplet,
            (margin, hard, unit),
        )
        for margin in (0.0, 0.3, 5.0)
        for hard in (True, False)
        for unit in (True, False)
    },
}
OTHERS = {
    **{
        f"cross domain {margin} {hard} {unit}": (
            lambda rows, labels, *settings: cross_domain_triplet_loss(rows, labels, DOMAINS, *settings),
            lambda rows, labels, *settings: formulas.cross_domain_triplet(rows, labels, DOMAINS, *settings),
            (margin, hard, unit),
        )
        for margin, hard, unit in ((0.3, True, True), (5.0, True, False), (0.0, False, True), (0.3, False, False))
    },
    **{f"mined triplet {n} {m}": (mined_triplet_loss, formulas.mined_triplet, (n, m)) for n, m in ((4, 0.1), (1, 9.0))},
    **{f"mined contrastive {n}": (mined_contrastive_loss, formulas.mined_contrastive, (n, 4.0)) for n in (4, 1, 2)},
    **{f"cross entropy {e}": (cross_entropy, formulas.cross_entropy, (e, 0.2)) for e in (0.0, 0.1, 0.4, -1.0)},
    **{
        f"focal {gamma} {'batch' if of_mean else 'drawing'}": (focal_loss, formulas.focal, (0.7, gamma, of_mean))
        for gamma in (0.0, 0.5, 1.5, 2.0)
        for of_mean in (True, False)
    },
}
LOSSES = PAIRS | OTHERS


def batch_of(case, dtype):
    """Embeddings of a dtype, the same values in float64, both with gradient, and labels."""
    torch.manual_seed(0)
    labels = torch.tensor(LABELS[case])
    rows = (torch.randn(DRAWINGS, max(DIM, 1 + int(labels.max())))).to(dtype)
    return rows.requires_grad_(), rows.detach().double().requires_grad_(), labels


def past_of(dim, dtype=torch.float32):
    """Samples of previous iterations with empty rows, of identities inside and outside the batch."""
    torch.manual_seed(1)
    return Past(torch.randn(7, dim).to(dtype), torch.tensor([0, EMPTY, 1, 77, 3, EMPTY, 0]))


def assert_same(found, rows, expected, truth, case):
    """Compare a loss and its gradient with float64 results of the same values; a gradient has the dtype of its rows."""

    def named(text):
        return f"{case}, {rows.dtype}: {text}"

    rounding = 1e-9 if rows.dtype == torch.float64 else 1e-5
    assert found.dtype == (torch.float64 if rows.dtype == torch.float64 else torch.float32), named("dtype")
    torch.testing.assert_close(found.double(), expected, rtol=rounding, atol=rounding, msg=named)
    (gradient,), (true_gradient,) = torch.autograd.grad(found, rows), torch.autograd.grad(expected, truth)
    assert gradient.dtype == rows.dtype, named("dtype of the gradient")
    rounding = {torch.float64: 1e-8, torch.float32: 1e-4, torch.bfloat16: 2**-8}[rows.dtype]
    atol = rounding * float(true_gradient.abs().max()) / 10
    torch.testing.assert_close(gradient.double(), true_gradient, rtol=rounding, atol=atol, msg=named)


@pytest.mark.parametrize("name", LOSSES)
def test_equals_loops_with_gradients(name):
    ours, formula, settings = LOSSES[name]
    for case in LABELS:
        for dtype in (torch.float32, torch.bfloat16):
            rows, truth, labels = batch_of(case, dtype)
            assert_same(ours(rows, labels, *settings), rows, formula(truth, labels, *settings), truth, case)


@pytest.mark.parametrize("name", PAIRS)
def test_equals_loops_over_the_batch_and_past_drawings(name):
    ours, formula, settings = PAIRS[name]
    for case in LABELS:
        for dtype in (torch.float32, torch.bfloat16):
            rows, truth, labels = batch_of(case, dtype)
            past = past_of(rows.shape[1])
            expected = formula(truth, labels, *settings, past=Past(past.embeddings.double(), past.labels))
            assert_same(ours(rows, labels, *settings, past=past), rows, expected, truth, case)


def test_nothing_waits_for_the_device():
    for name, (ours, _, settings) in LOSSES.items():
        rows, _, labels = batch_of("identities of three", torch.float32)
        past = {"past": past_of(rows.shape[1])} if name in PAIRS else {}
        with NothingWaits() as watched:
            ours(rows, labels, *settings, **past).backward()
        assert watched.calls > 10, name


def hardest(margin, normalize):
    """The batch-hard triplet loss of pytorch-metric-learning, of (rows, labels) or of rows against others."""
    distance = LpDistance(normalize_embeddings=normalize, power=2 if normalize else 1)
    miner = BatchHardMiner(distance=distance)
    loss = library.TripletMarginLoss(margin, distance=distance, smooth_loss=margin == 0, reducer=MeanReducer())
    return lambda *rows: loss(rows[0], rows[1], miner(*rows), *rows[2:])


def mined(rows, labels, negatives, margin):
    places = torch.arange(len(rows)).view(-1, 2 + negatives)
    triplets = [places[:, column].repeat_interleave(negatives) for column in (0, 1)] + [places[:, 2:].flatten()]
    distance = LpDistance(normalize_embeddings=False, power=2)
    loss = library.TripletMarginLoss(margin, distance=distance, reducer=MeanReducer())
    return 0.5 * loss(rows, torch.arange(len(rows)), triplets)


def between_domains(rows, labels, margin, normalize):
    anchors, photographs = DOMAINS == 0, DOMAINS == 1
    return hardest(margin, normalize)(rows[anchors], labels[anchors], rows[photographs], labels[photographs])


def circle_with_past(rows, labels, margin, gamma):
    past = past_of(rows.shape[1], rows.dtype)
    there = past.labels != EMPTY
    columns, names = torch.cat([rows, past.embeddings[there]]), torch.cat([labels, past.labels[there]])
    same = labels[:, None] == names
    positive = same & ~torch.eye(*same.shape, dtype=torch.bool)
    pairs = (*positive.nonzero(as_tuple=True), *(~same).nonzero(as_tuple=True))
    return library.CircleLoss(margin, gamma, reducer=MeanReducer())(rows, labels, pairs, columns, names)


LIBRARY = {
    **{
        f"circle {margin}": (
            lambda rows, labels, margin=margin: circle_loss(rows, labels, margin, 80),
            library.CircleLoss(margin, 80, reducer=MeanReducer()),
        )
        for margin in (0.25, 0.4)
    },
    "circle with past drawings": (
        lambda rows, labels: circle_loss(rows, labels, 0.25, 80, past=past_of(rows.shape[1], rows.dtype)),
        partial(circle_with_past, margin=0.25, gamma=80),
    ),
    **{
        f"triplet {margin} {unit}": (
            lambda rows, labels, margin=margin, unit=unit: triplet_loss(rows, labels, margin, True, unit),
            hardest(margin, unit),
        )
        for margin in (0.0, 0.3, 3.0)
        for unit in (True, False)
    },
    **{
        f"cross domain {unit}": (
            lambda rows, labels, unit=unit: cross_domain_triplet_loss(rows, labels, DOMAINS, 0.3, True, unit),
            partial(between_domains, margin=0.3, normalize=unit),
        )
        for unit in (True, False)
    },
    "mined triplet": (partial(mined_triplet_loss, negatives=2, margin=0.1), partial(mined, negatives=2, margin=0.1)),
    # torch smooths towards all classes, ours towards the wrong ones
    "cross entropy, torch": (
        partial(cross_entropy, epsilon=0.1),
        lambda rows, labels: F.cross_entropy(rows, labels, label_smoothing=0.1 * rows.shape[1] / (rows.shape[1] - 1)),
    ),
    "focal, torch": (partial(focal_loss, alpha=1.0, gamma=0.0), F.cross_entropy),
}


@pytest.mark.parametrize("name", LIBRARY)
def test_equals_the_library_with_gradients(name):
    ours, theirs = LIBRARY[name]
    for case in LABELS:
        rows, truth, labels = batch_of(case, torch.float64)
        assert_same(ours(rows, labels), rows, theirs(truth, labels), truth, case)
