"""The linear probe against the same steps in plain float64."""

import numpy as np
import pytest
import torch

from fastpatent.errors import DataError
from fastpatent.evaluation.classification import Labelled
from fastpatent.evaluation.probe import linear_probe


def drawings(count, name, classes=6, dim=12, seed=0, spread=0.5):
    """Features of norm 1 around class centres, two drawings per patent."""
    centres = np.random.default_rng(99).standard_normal((classes, dim))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    features = centres[labels] + spread * rng.standard_normal((count, dim))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return Labelled(
        features.astype(np.float32), [f"class {label}" for label in labels], [f"{name} {row // 2}" for row in range(count)]
    )


def by_hand(train, epochs, rate, batch, seed):
    """Adam (Kingma & Ba, 2015, algorithm 1) on a softmax; weights and biases, float64."""
    known = sorted(set(train.labels))
    inputs = np.hstack([train.features.astype(np.float64), np.ones((len(train.labels), 1))])
    target = np.array([[label == name for name in known] for label in train.labels], float)
    weights, first, second = np.zeros((3, len(known), inputs.shape[1]))
    generator, step = torch.Generator().manual_seed(seed), 0
    for _ in range(epochs):
        order = torch.randperm(len(inputs), generator=generator).numpy()
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            logits = np.exp(inputs[rows] @ weights.T)
            gradient = (logits / logits.sum(axis=1, keepdims=True) - target[rows]).T @ inputs[rows] / len(rows)
            step += 1
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            weights = weights - rate * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return known, weights


@pytest.mark.parametrize("epochs, rate, batch", [(5, 1e-4, 32), (2, 1e-2, 7)])
def test_the_probe_is_adam_on_cross_entropy(epochs, rate, batch):
    train, test = drawings(150, "train", spread=1.2), drawings(900, "test", seed=1, spread=1.2)
    found = linear_probe(train, test, epochs, rate, batch, seed=4)
    known, weights = by_hand(train, epochs, rate, batch, 4)
    scores = np.hstack([test.features, np.ones((900, 1))]) @ weights.T
    order = np.argsort(-scores, axis=1)
    truth = np.array([known.index(label) for label in test.labels])
    assert found.accuracy.mean == pytest.approx(np.mean(order[:, 0] == truth), abs=1e-12)
    assert found.top5.mean == pytest.approx(np.mean((order[:, :5] == truth[:, None]).any(axis=1)), abs=1e-12)
    for of in found.classes:
        assert of.recall == pytest.approx(np.mean(order[truth == known.index(of.name), 0] == known.index(of.name)))
    assert 0.3 < found.accuracy.mean < 0.95


def test_a_seed_repeats():
    train, test = drawings(100, "train", spread=1), drawings(400, "test", seed=1, spread=1)
    runs = [linear_probe(train, test, epochs=1, lr=0.05, seed=seed) for seed in (0, 0, 1)]
    assert runs[0] == runs[1] and runs[0].classes != runs[2].classes


def test_classes_in_training_or_test_alone():
    train, test = drawings(100, "train", classes=4), drawings(100, "test", classes=6, seed=1)
    train.labels[:2] = ["class z", "class z"]
    found = linear_probe(train, test, lr=1e-2)
    assert found.unused == ["class z"] and set(found.unseen) == {"class 4", "class 5"}


def test_sets_that_cannot_be_probed():
    for train, test, message in (
        (drawings(0, "train"), drawings(3, "test"), "no training drawing that has a class"),
        (drawings(4, "same"), drawings(4, "same"), "2 patents have drawings in training and test, same 0 first"),
        (drawings(4, "train", dim=3), drawings(4, "test", dim=4), "4 dimensions and gallery features 3"),
    ):
        with pytest.raises(DataError, match=message):
            linear_probe(train, test)
