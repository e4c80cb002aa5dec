"""Classic classifiers on concatenated features, against plain loops where these are short."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from fastpatent.errors import DataError
from fastpatent.evaluation import classifiers
from fastpatent.evaluation.classification import Labelled
from fastpatent.evaluation.classifiers import CLASSIFIERS, compare_classifiers, side_by_side


def drawings(count, name, classes=4, dim=10, seed=0, spread=0.6):
    centres = np.random.default_rng(99).standard_normal((classes, dim))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    features = (centres[labels] + spread * rng.standard_normal((count, dim))).astype(np.float32)
    return Labelled(features, [f"class {label}" for label in labels], [f"{name} {row // 2}" for row in range(count)])


def naive_bayes_by_hand(train, test):
    """Multinomial naive Bayes with add-one smoothing (Manning et al., 2008, section 13.2), in loops."""
    low, high = train.features.min(axis=0).astype(float), train.features.max(axis=0).astype(float)
    train_counts, test_counts = (np.clip((rows - low) / (high - low), 0, 1) for rows in (train.features, test.features))
    classes = sorted(set(train.labels))
    predicted = []
    for counts in test_counts:
        scores = []
        for name in classes:
            own = [row for row, label in zip(train_counts, train.labels) if label == name]
            total = np.sum(own, axis=0)
            share = (total + 1) / (total.sum() + len(total))
            scores.append(np.log(len(own) / len(train_counts)) + counts @ np.log(share))
        predicted.append(classes[int(np.argmax(scores))])
    return predicted


def test_multinomial_naive_bayes_is_the_textbooks_on_numbers_between_0_and_1():
    train, test = drawings(120, "train"), drawings(80, "test", seed=1, spread=1.2)
    found = compare_classifiers(train, test, ["multinomial naive Bayes"])["multinomial naive Bayes"]
    predicted = naive_bayes_by_hand(train, test)
    assert found.accuracy.mean == pytest.approx(np.mean([one == other for one, other in zip(predicted, test.labels)]))
    for of in found.classes:
        right = [guess for guess, label in zip(predicted, test.labels) if label == of.name]
        assert of.recall == pytest.approx(right.count(of.name) / len(right))


def test_each_classifier_separates_the_classes():
    train, test, done = drawings(120, "train"), drawings(80, "test", seed=1), []
    found = compare_classifiers(train, test, resamples=100, on_done=done.append)
    assert list(found) == list(CLASSIFIERS) and done == [1, 2, 3, 4, 5]
    for name, of in found.items():
        assert of.accuracy.mean > (0.5 if "multinomial" in name else 0.9), name


def test_a_seed_repeats_and_another_differs():
    train, test = drawings(80, "train", spread=2), drawings(300, "test", seed=1, spread=2)
    runs = [compare_classifiers(train, test, ["perceptron"], 100, seed)["perceptron"].classes for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def test_a_missing_convergence_is_noted(monkeypatch):
    monkeypatch.setitem(CLASSIFIERS, "hasty", lambda seed: LogisticRegression(max_iter=1))
    found = compare_classifiers(drawings(60, "train"), drawings(20, "test", seed=1), ["hasty", "Gaussian naive Bayes"])
    assert len(found["hasty"].notes) == 1 and found["hasty"].notes[0].startswith("hasty: ")
    assert found["Gaussian naive Bayes"].notes == []


def test_classes_in_training_or_test_alone():
    train, test = drawings(60, "train", classes=3), drawings(60, "test", classes=4, seed=1)
    train.labels[0] = "class z"
    for found in compare_classifiers(train, test).values():
        assert found.unseen == {"class 3": test.labels.count("class 3")} and found.unused == ["class z"]


def test_parts_are_concatenated_with_zeros_where_one_is_missing():
    rng = np.random.default_rng(0)
    image, title, caption = (rng.standard_normal((rows, dim)).astype(np.float32) for rows, dim in ((4, 3), (3, 2), (1, 2)))
    parts = {"image": (np.arange(4), image), "title": (np.array([3, 0, 1]), title), "caption": (np.array([2]), caption)}
    joined, missing = side_by_side(4, parts)
    expected = np.zeros((4, 7), np.float32)
    for row in range(4):
        expected[row, :3] = image[row]
    for place, row in enumerate([3, 0, 1]):
        expected[row, 3:5] = title[place]
    expected[2, 5:] = caption[0]
    np.testing.assert_array_equal(joined, expected)
    assert joined.dtype == np.float32 and missing == {"image": 0, "title": 1, "caption": 3}


def test_sets_that_cannot_be_compared():
    for train, test, message in (
        (drawings(8, "train", classes=1), drawings(4, "test"), "all training drawings are of one class, class 0"),
        (drawings(4, "train"), drawings(0, "test"), "no test drawing that has a class"),
        (drawings(4, "same"), drawings(4, "same"), "split by patent"),
        (drawings(4, "train", dim=3), drawings(4, "test", dim=4), "dimensions"),
    ):
        with pytest.raises(DataError, match=message):
            compare_classifiers(train, test)


def test_a_slow_classifier_is_trained_on_some_drawings_with_a_note(monkeypatch):
    rng = np.random.default_rng(0)
    labels = [f"class{number % 2}" for number in range(60)]
    features = (rng.standard_normal((60, 4)) + 6 * np.arange(60)[:, None] % 2).astype(np.float32)
    features[1::3] = 100  # drawings that are not among the twenty used
    train = Labelled(features, labels, [f"patent{number}" for number in range(60)])
    test = Labelled(features[::3], labels[::3], [f"other{number}" for number in range(20)])
    monkeypatch.setitem(classifiers.MOST, "support vector machine", 20)
    found = compare_classifiers(train, test, ["support vector machine"], resamples=10)["support vector machine"]
    own = SVC().fit(features[::3], labels[::3]).predict(features[::3])
    assert found.accuracy.mean == pytest.approx(np.mean(own == np.array(labels[::3])))
    assert found.notes == ["support vector machine: trained on 20 of 60 training drawings, evenly spaced"]
