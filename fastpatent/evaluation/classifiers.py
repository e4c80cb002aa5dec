"""Classic classifiers on concatenated features of drawings and texts, as compared in the IMPACT paper."""

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastpatent.errors import DataError
from fastpatent.evaluation.classification import Classification, Labelled, check_apart, measure
from fastpatent.retrieval.distance import as_pair

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.svm import SVC

MOST = {"support vector machine": 5000}  # most training drawings: its time grows with their square
ROUNDS = 1000  # most iterations of logistic regression


def _vector_machine(seed: int) -> "SVC":
    from sklearn.svm import SVC

    return SVC()


def _multinomial_bayes(seed: int) -> "Pipeline":
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    return make_pipeline(MinMaxScaler(clip=True), MultinomialNB())


def _gaussian_bayes(seed: int) -> "GaussianNB":
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB()


def _logistic_regression(seed: int) -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=ROUNDS)


def _perceptron(seed: int) -> "MLPClassifier":
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(random_state=seed)


# Name in tables -> builder, with scikit-learn's defaults. Multinomial naive Bayes needs non-negative input: the smallest and
# largest value of each feature in training become 0 and 1. (Any: scikit-learn's classifiers have no common type.)
CLASSIFIERS: dict[str, Callable[[int], Any]] = {
    "support vector machine": _vector_machine,
    "multinomial naive Bayes": _multinomial_bayes,
    "Gaussian naive Bayes": _gaussian_bayes,
    "logistic regression": _logistic_regression,
    "perceptron": _perceptron,
}


def side_by_side(
    count: int, parts: dict[str, tuple[Sequence[int] | np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, dict[str, int]]:
    """Concatenate the features of drawings and of their texts; a missing text gives zeros.

    Args:
        count: number of drawings.
        parts: {name: (rows, features)}: indices of the drawings that have this part, and its features, float [rows, dim].

    Returns:
        float32 [count, sum of dims], and {name: number of drawings without it}.
    """
    joined = np.zeros((count, sum(features.shape[1] for _, features in parts.values())), np.float32)
    start = 0
    for rows, features in parts.values():
        joined[rows, start : start + features.shape[1]] = features
        start += features.shape[1]
    return joined, {name: count - len(rows) for name, (rows, _) in parts.items()}


def compare_classifiers(
    train: Labelled,
    test: Labelled,
    names: Sequence[str] = tuple(CLASSIFIERS),
    resamples: int = 1000,
    seed: int = 0,
    on_done: Callable[[int], None] | None = None,
) -> dict[str, Classification]:
    """Train and test several classifiers on the same drawings.

    Args:
        train, test: drawings of different patents.
        names: which of CLASSIFIERS.
        resamples: of the intervals, see `bootstrap_intervals`.
        seed: of the perceptron and the intervals.
        on_done: called with the number of classifiers done.

    Returns:
        {name: Classification}; scikit-learn's warnings are its notes, such as a missing convergence.

    Raises:
        DataError: empty training or test set, a single class, a patent in both sets, or incompatible features.
    """
    check_apart(train, test)
    test_features, train_features = as_pair(test.features, train.features, "cosine")
    known, labels = np.unique(train.labels, return_inverse=True)
    if len(known) < 2:
        raise DataError(f"all training drawings are of one class, {known[0]}; at least two are needed")
    found = {}
    for done, name in enumerate(names, 1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rows = _evenly(len(labels), MOST.get(name, len(labels)))
            classifier = CLASSIFIERS[name](seed).fit(train_features[rows], labels[rows])
        found[name] = measure(known.tolist(), classifier.predict(test_features)[:, None], test, resamples, seed)
        found[name].notes.extend(dict.fromkeys(f"{name}: {str(warning.message).splitlines()[0]}" for warning in caught))
        if len(rows) < len(labels):
            found[name].notes.append(f"{name}: trained on {len(rows):,} of {len(labels):,} training drawings, evenly spaced")
        if on_done:
            on_done(done)
    return found


def _evenly(count: int, most: int) -> np.ndarray:
    """Return at most `most` of `count` indices, evenly spaced, int64."""
    return np.arange(min(count, most)) * count // min(count, most)
