"""Zero-shot classification: the class whose texts lie nearest to the drawing (Radford et al., ICML 2021, section 3.1)."""

from fastpatent.errors import ConfigError, DataError
from fastpatent.evaluation.classification import TOP, measure
from fastpatent.retrieval.distance import as_features, normalise
from fastpatent.retrieval.ranking import rank

PLACE = "{}"  # where the name of the class stands in a template
TEMPLATES = (
    "a patent drawing of {}.",
    "a line drawing of {}.",
    "a black and white drawing of {} on white paper.",
    "a technical drawing of {}.",
    "a figure of a design patent that shows {}.",
)


def prompts(names, templates=TEMPLATES):
    """Return the texts to embed, list of str [names * templates]: all of the first name, then all of the second.

    Raises:
        ConfigError: a template without a place for the name, or no template.
    """
    wrong = [template for template in templates if PLACE not in template]
    if wrong or not templates:
        given = repr(wrong[0]) if wrong else "none"
        raise ConfigError(f"prompt templates: {given} was given; each needs {PLACE} for the name of the class")
    return [template.replace(PLACE, name) for name in names for template in templates]


def class_features(text_features, templates=len(TEMPLATES)):
    """Average the prompts of each class on the sphere.

    Args:
        text_features: float [classes * templates, dim], of `prompts`, any norm.
        templates: how many there are.

    Returns:
        float32 [classes, dim], rows of length 1.
    """
    rows = normalise(as_features(text_features, "features of prompts"))
    if len(rows) % templates:
        raise DataError(f"{len(rows)} features of prompts are no multiple of {templates} templates")
    return normalise(rows.reshape(-1, templates, rows.shape[1]).mean(axis=1))


def classify(test, features, names, resamples=1000, seed=0, device="cpu"):
    """Give every drawing the class that is nearest by cosine; of two equally near the first.

    Args:
        test: Labelled, the drawings.
        features: float [classes, dim], of `class_features`.
        names: list of str, the class of each, as `test.labels` has them.
        resamples, seed: of intervals, see `bootstrap_intervals`.
        device: "cpu", or the card to compute on.

    Returns:
        Classification.
    """
    if len(features) != len(names):
        raise DataError(f"{len(features)} features of classes came with {len(names)} names")
    nearest = rank(test.features, features, TOP, device=device).indices
    return measure(names, nearest, test, resamples, seed)
