"""Classic classifiers on features of drawings and texts side by side, as the IMPACT paper compares them."""

import warnings

import numpy as np

from fastpatent.errors import DataError
from fastpatent.evaluation.classification import check_apart, measure
from fastpatent.retrieval.distance import as_pair

MOST = {"support vector machine": 5000}  # training drawings of one whose time grows with their square
ROUNDS = 1000  # of logistic regression, at most


def _vector_machine(seed):
    from sklearn.svm import SVC

    return SVC()


def _multinomial_bayes(seed):
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    return make_pipeline(MinMaxScaler(clip=True), MultinomialNB())


def _gaussian_bayes(seed):
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB()


def _logistic_regression(seed):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=ROUNDS)


def _perceptron(seed):
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(random_state=seed)


# By the name in tables, with scikit-learn's settings. Multinomial naive Bayes takes no number below 0: the least and the
# largest of the training drawings become 0 and 1. The time of the vector machine grows with the square of their number.
CLASSIFIERS = {
    "support vector machine": _vector_machine,
    "multinomial naive Bayes": _multinomial_bayes,
    "Gaussian naive Bayes": _gaussian_bayes,
    "logistic regression": _logistic_regression,
    "perceptron": _perceptron,
}


def side_by_side(count, parts):
    """Join the features of drawings and of their texts; where a drawing has no such text there are zeros.

    Args:
        count: int, how many drawings there are.
        parts: {name: (rows, features)}: int [rows] which drawings have this part, and its float features [rows, dim].

    Returns:
        float32 [count, sum of dims], and {name: how many drawings are without it}.
    """
    joined = np.zeros((count, sum(features.shape[1] for _, features in parts.values())), np.float32)
    start = 0
    for rows, features in parts.values():
        joined[rows, start : start + features.shape[1]] = features
        start += features.shape[1]
    return joined, {name: count - len(rows) for name, (rows, _) in parts.items()}


def compare_classifiers(train, test, names=tuple(CLASSIFIERS), resamples=1000, seed=0, on_done=None):
    """Train classifiers on the same drawings and classify the same other drawings by each.

    Args:
        train, test: Labelled, of different patents.
        names: which of CLASSIFIERS.
        resamples: of intervals, see `bootstrap_intervals`.
        seed: of the perceptron and the intervals.
        on_done: called with how many classifiers are done.

    Returns:
        {name: Classification}, with what scikit-learn warned of as notes, such as that one has not converged.

    Raises:
        DataError: nothing to train or test on, one class only, a patent on both sides, or features that do not go together.
    """
    check_apart(train, test)
    test_features, train_features = as_pair(test.features, train.features, "cosine")
    known, labels = np.unique(train.labels, return_inverse=True)
    if len(known) < 2:
        raise DataError(f"all training drawings are of one class, {known[0]}; there is nothing to tell apart")
    found = {}
    for done, name in enumerate(names, 1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rows = _evenly(len(labels), MOST.get(name, len(labels)))
            classifier = CLASSIFIERS[name](seed).fit(train_features[rows], labels[rows])
        found[name] = measure(known.tolist(), classifier.predict(test_features)[:, None], test, resamples, seed)
        found[name].notes.extend(dict.fromkeys(f"{name}: {str(warning.message).splitlines()[0]}" for warning in caught))
        if len(rows) < len(labels):
            found[name].notes.append(f"{name}: learned on {len(rows):,} of {len(labels):,} training drawings, evenly chosen")
        if on_done:
            on_done(done)
    return found


def _evenly(count, most):
    """Return at most `most` places of `count`, evenly apart, int64."""
    return np.arange(min(count, most)) * count // min(count, most)
