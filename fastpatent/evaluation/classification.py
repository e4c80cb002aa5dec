"""How well drawings are classified: accuracy, macro F1, a report per class, and the classes that only one side knows."""

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
        labels: list of str, the class of each.
        identities: list of str, the patent of each; where it is None a drawing is a patent of its own.
    """

    features: np.ndarray
    labels: list
    identities: list


class ClassFigures(NamedTuple):
    """One class: how many drawings of it were classified, and precision, recall and F1, 0 where nothing was hit."""

    name: str
    drawings: int
    precision: float
    recall: float
    f1: float


@dataclass
class Classification:
    """What a classifier did.

    Attributes:
        accuracy: Figure, the share of drawings whose class was found; the interval is over patents.
        top5: Figure, the share whose class was among the first five; None where there is no order of five.
        macro_f1: float, the mean F1 of `classes`.
        classes: list of ClassFigures, of every class that the classified drawings have, by name.
        unseen: {class: drawings}: classes of the drawings that the classifier does not know, so that they count as wrong.
        unused: list of str, the classes that it knows and no drawing has; they are in no mean.
        notes: list of str, what a reader should know besides.
    """

    accuracy: Figure
    top5: Figure | None
    macro_f1: float
    classes: list
    unseen: dict
    unused: list
    notes: list = field(default_factory=list)


def measure(known, ranked, test, resamples=1000, seed=0):
    """Measure what a classifier said.

    Args:
        known: list of str, the classes that it knows.
        ranked: int [drawings, n], places in `known`, the likeliest first; top-5 accuracy needs five.
        test: Labelled, the drawings.
        resamples, seed: see `bootstrap_intervals`.

    Returns:
        Classification.
    """
    from sklearn.metrics import precision_recall_fscore_support

    check_labelled(test, "classified")
    known, truth = np.array(known), np.array(test.labels)
    said = known[ranked]
    hits = np.maximum.accumulate(said == truth[:, None], axis=1)[:, [0, min(TOP, said.shape[1]) - 1]]
    accuracy, top5 = mean_figures(hits, patent_codes(test.identities), resamples, seed)
    drawings = Counter(test.labels)
    names = sorted(drawings)
    figures = precision_recall_fscore_support(truth, said[:, 0], labels=names, zero_division=0)
    classes = [ClassFigures(name, drawings[name], *map(float, of)) for name, *of in zip(names, *figures[:3])]
    return Classification(
        accuracy,
        top5 if said.shape[1] >= TOP else None,
        float(np.mean(figures[2])),
        classes,
        {name: drawings[name] for name in names if name not in set(known.tolist())},
        [name for name in known.tolist() if name not in drawings],
    )


def check_labelled(drawings, which):
    """Raise DataError where a Labelled is empty, its parts differ in length, or a class is missing."""
    lengths = [len(part) for part in drawings]
    if len(set(lengths)) > 1:
        raise DataError(f"{lengths[0]} {which} drawings came with {lengths[1]} classes of {lengths[2]} patents")
    if not lengths[0]:
        raise DataError(f"there is no {which} drawing that has a class")
    without = sum(label is None for label in drawings.labels)
    if without:
        raise DataError(f"{without} of {lengths[0]} {which} drawings have no class; leave them out")


def check_apart(train, test):
    """Raise DataError where two Labelled cannot be a training and a test side: drawings of one patent stand in both."""
    check_labelled(train, "training")
    check_labelled(test, "test")
    both = sorted((set(train.identities) & set(test.identities)) - {None})
    if both:
        raise DataError(f"{len(both)} patents have drawings in training and test, {both[0]} first; split by patent")
