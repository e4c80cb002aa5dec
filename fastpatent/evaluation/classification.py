"""Classification metrics: accuracy, macro F1, figures per class, and classes missing in training or test."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fastpatent.errors import DataError
from fastpatent.evaluation.intervals import Figure, mean_figures, patent_codes

TOP = 5


class Labelled(NamedTuple):
    """Drawings with their classes.

    Attributes:
        features: float32 [drawings, dim].
        labels: the class of each.
        identities: the patent of each; None counts as a patent of its own.
    """

    features: np.ndarray
    labels: list[str]
    identities: list[str | None]


class ClassFigures(NamedTuple):
    """One class: number of test drawings, and precision, recall and F1, 0 without a true positive."""

    name: str
    drawings: int
    precision: float
    recall: float
    f1: float


@dataclass
class Classification:
    """Metrics of a classifier.

    Attributes:
        accuracy: top-1 accuracy; the interval is over patents.
        top5: top-5 accuracy; None if fewer than five classes are ranked.
        macro_f1: mean F1 of `classes`.
        classes: every class of the test drawings, by name.
        unseen: {class: drawings}: test classes that are not in training; their drawings count as wrong.
        unused: training classes without a test drawing; they are in no mean.
        notes: further remarks.
    """

    accuracy: Figure
    top5: Figure | None
    macro_f1: float
    classes: list[ClassFigures]
    unseen: dict[str, int]
    unused: list[str]
    notes: list[str] = field(default_factory=list)


def measure(known: list[str], ranked: np.ndarray, test: Labelled, resamples: int = 1000, seed: int = 0) -> Classification:
    """Measure the predictions of a classifier.

    Args:
        known: the training classes.
        ranked: int [drawings, n], indices into `known`, most likely first; top-5 accuracy needs n >= 5.
        test: the test drawings.
        resamples, seed: see `bootstrap_intervals`.

    Returns:
        Classification.
    """
    from sklearn.metrics import precision_recall_fscore_support

    check_labelled(test, "classified")
    truth = np.array(test.labels)
    predicted = np.array(known)[ranked]
    hits = np.maximum.accumulate(predicted == truth[:, None], axis=1)[:, [0, min(TOP, predicted.shape[1]) - 1]]
    accuracy, top5 = mean_figures(hits, patent_codes(test.identities), resamples, seed)
    drawings = Counter(test.labels)
    names = sorted(drawings)
    figures = precision_recall_fscore_support(
        truth,
        predicted[:, 0],
        labels=names,
        zero_division=0,  # pyright: ignore[reportArgumentType]  # its type is inferred from the default, a string
    )
    figures = np.array(figures[:3])  # [3, classes]: precision, recall, F1
    classes = [ClassFigures(name, drawings[name], *map(float, of)) for name, of in zip(names, figures.T)]
    return Classification(
        accuracy,
        top5 if predicted.shape[1] >= TOP else None,
        float(np.mean(figures[2])),
        classes,
        {name: drawings[name] for name in names if name not in set(known)},
        [name for name in known if name not in drawings],
    )


def check_labelled(drawings: Labelled, which: str) -> None:
    """Raise DataError if a Labelled is empty, its fields differ in length, or a class is missing."""
    lengths = [len(part) for part in drawings]
    if len(set(lengths)) > 1:
        raise DataError(f"numbers differ: {lengths[0]} {which} drawings, {lengths[1]} classes, {lengths[2]} patents")
    if not lengths[0]:
        raise DataError(f"there is no {which} drawing that has a class")
    without = sum(label is None for label in drawings.labels)
    if without:
        raise DataError(f"{without} of {lengths[0]} {which} drawings have no class; exclude them")


def check_apart(train: Labelled, test: Labelled) -> None:
    """Raise DataError if training or test set is invalid, or if both have drawings of the same patent."""
    check_labelled(train, "training")
    check_labelled(test, "test")
    both = sorted(patent for patent in set(train.identities) & set(test.identities) if patent is not None)
    if both:
        raise DataError(f"{len(both)} patents have drawings in training and test, {both[0]} first; split by patent")
