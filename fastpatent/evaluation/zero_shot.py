"""Zero-shot classification: the class whose texts are nearest to the drawing (Radford et al., ICML 2021, section 3.1)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastpatent.errors import ConfigError, DataError
from fastpatent.evaluation.classification import TOP, Classification, Labelled, measure
from fastpatent.retrieval.distance import as_features, normalise
from fastpatent.retrieval.ranking import rank

if TYPE_CHECKING:
    import torch

PLACE = "{}"  # stands for the class name in a template
TEMPLATES = (
    "a patent drawing of {}.",
    "a line drawing of {}.",
    "a black and white drawing of {} on white paper.",
    "a technical drawing of {}.",
    "a figure of a design patent that shows {}.",
)


def prompts(names: Sequence[str], templates: Sequence[str] = TEMPLATES) -> list[str]:
    """Return the texts to embed, [names * templates]: all templates of the first name, then of the second, and so on.

    Raises:
        ConfigError: a template without {}, or no template.
    """
    wrong = [template for template in templates if PLACE not in template]
    if wrong or not templates:
        given = repr(wrong[0]) if wrong else "none"
        raise ConfigError(f"prompt templates: {given} was given; each needs {PLACE} for the name of the class")
    return [template.replace(PLACE, name) for name in names for template in templates]


def class_features(text_features: np.ndarray, templates: int = len(TEMPLATES)) -> np.ndarray:
    """Average the normalised prompts of each class, and normalise the mean.

    Args:
        text_features: float [classes * templates, dim], of `prompts`, any norm.
        templates: number of templates.

    Returns:
        float32 [classes, dim], rows of norm 1.
    """
    rows = normalise(as_features(text_features, "features of prompts"))
    if len(rows) % templates:
        raise DataError(f"{len(rows)} prompt features are not a multiple of {templates} templates")
    return normalise(rows.reshape(-1, templates, rows.shape[1]).mean(axis=1))


def classify(
    test: Labelled,
    features: np.ndarray,
    names: list[str],
    resamples: int = 1000,
    seed: int = 0,
    device: "str | torch.device" = "cpu",
) -> Classification:
    """Assign every drawing the class with the highest cosine; ties go to the first.

    Args:
        test: the drawings.
        features: float [classes, dim], of `class_features`.
        names: class names of `features`, as in `test.labels`.
        resamples, seed: of the intervals, see `bootstrap_intervals`.
        device: "cpu", or the GPU to compute on.

    Returns:
        Classification.

    Raises:
        DataError: numbers of features and names differ.
    """
    if len(features) != len(names):
        raise DataError(f"{len(features)} class features, but {len(names)} class names")
    nearest = rank(test.features, features, TOP, device=device).indices
    return measure(names, nearest, test, resamples, seed)
