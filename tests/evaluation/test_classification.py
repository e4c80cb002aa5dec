"""Classification metrics against plain loops."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from fastpatent.errors import DataError
from fastpatent.evaluation.classification import Labelled, check_apart, check_labelled, measure
from fastpatent.evaluation.intervals import bootstrap_intervals

KNOWN = ["D1", "D2", "D3", "D6", "D9", "D14"]
TRUE = ["D1", "D2", "D3", "D6", "D26"]  # D26 is not in KNOWN; D9 and D14 have no drawing


@pytest.fixture
def predicted():
    """The ranking of a classifier and the test drawings, three per patent."""
    rng = np.random.default_rng(0)
    labels = rng.choice(TRUE, 60).tolist()
    ranked = np.stack([rng.permutation(len(KNOWN)) for _ in labels])
    for row, label in enumerate(labels):  # half of them correct, so that no figure is 0
        if label in KNOWN and row % 2:
            ranked[row] = sorted(ranked[row], key=lambda place: KNOWN[place] != label)
    return ranked, Labelled(np.zeros((60, 2), np.float32), labels, [f"patent {row // 3:02d}" for row in range(60)])


def test_shares_and_their_intervals_meet_loops(predicted):
    ranked, test = predicted
    found = measure(KNOWN, ranked, test, 200, 3)
    hits = [
        [float(KNOWN[row[0]] == label), float(label in [KNOWN[place] for place in row[:5]])]
        for row, label in zip(ranked, test.labels)
    ]
    expected = zip((found.accuracy, found.top5), np.mean(hits, axis=0), bootstrap_intervals(hits, test.identities, 200, 3))
    for figure, mean, interval in expected:
        assert figure.mean == pytest.approx(mean, abs=1e-12)
        np.testing.assert_array_equal(figure[1:], interval)
    first = [KNOWN[place] for place in ranked[:, 0]]
    assert found.accuracy.mean == pytest.approx(accuracy_score(test.labels, first))
    assert found.macro_f1 == pytest.approx(f1_score(test.labels, first, labels=TRUE, average="macro"))


def test_every_class_of_the_drawings_meets_loops(predicted):
    ranked, test = predicted
    found = measure(KNOWN, ranked, test)
    first = [KNOWN[place] for place in ranked[:, 0]]
    assert [of.name for of in found.classes] == sorted(TRUE)
    for of in found.classes:
        right = sum(label == guess == of.name for label, guess in zip(test.labels, first))
        precision = right / first.count(of.name) if of.name in first else 0
        recall = right / test.labels.count(of.name)
        assert of.drawings == test.labels.count(of.name)
        f1 = 2 * precision * recall / (precision + recall) if right else 0
        assert (of.precision, of.recall, of.f1) == pytest.approx((precision, recall, f1))
    assert found.macro_f1 == pytest.approx(np.mean([of.f1 for of in found.classes]))


def test_classes_in_training_or_test_alone(predicted):
    ranked, test = predicted
    found = measure(KNOWN, ranked, test)
    assert found.unseen == {"D26": test.labels.count("D26")} and found.unused == ["D9", "D14"]
    assert next(of for of in found.classes if of.name == "D26")[2:] == (0, 0, 0)


def test_top_5_accuracy_needs_five_ranked_classes(predicted):
    ranked, test = predicted
    for columns in (1, 4):
        assert measure(KNOWN, ranked[:, :columns], test).top5 is None, columns


def test_a_drawing_without_a_patent_is_a_patent_of_its_own():
    ranked = np.array([[0], [0], [1], [0]])
    alone, named = (
        measure(["a", "b"], ranked, Labelled(np.zeros((4, 1)), list("aabb"), identities))
        for identities in ([None] * 4, list("wxyz"))
    )
    assert alone == named and alone.accuracy.low < alone.accuracy.mean == 0.75 < alone.accuracy.high


def labelled(labels, identities):
    return Labelled(np.zeros((len(labels), 2), np.float32), labels, identities)


def test_drawings_that_cannot_be_classified():
    for drawings, message in (
        (labelled([], []), "there is no test drawing that has a class"),
        (labelled(["a", None, None], ["p", "q", "r"]), "2 of 3 test drawings have no class; exclude them"),
        (labelled(["a", "b"], ["p"]), "numbers differ: 2 test drawings, 2 classes, 1 patents"),
    ):
        with pytest.raises(DataError, match=message):
            check_labelled(drawings, "test")
        with pytest.raises(DataError, match=message):
            check_apart(labelled(["a"], ["other"]), drawings)


def test_a_patent_on_both_sides_is_refused():
    check_apart(labelled(["a", "b"], ["p", None]), labelled(["a", "b"], ["q", None]))
    with pytest.raises(DataError, match="2 patents have drawings in training and test, p first; split by patent"):
        check_apart(labelled(["a", "b", "a"], ["r", "q", "p"]), labelled(["a", "a", "b"], ["q", "s", "p"]))
