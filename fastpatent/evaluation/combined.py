"""Queries of a drawing and a text: one feature mixed from both, in the joint space of both towers."""

import numpy as np

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import as_pair, normalise


def combine(image_features: np.ndarray, text_features: np.ndarray, weight: float) -> np.ndarray:
    """Mix drawings and texts row by row: (1 - weight) * drawing + weight * text, both normalised, then normalise.

    A zero row means that the query has no drawing, or no text: only the other is used, whatever the weight.

    Args:
        image_features, text_features: float [queries, dim], any norm.
        weight: share of the text, 0 (drawing only) to 1 (text only).

    Returns:
        float32 [queries, dim], rows of norm 1.

    Raises:
        DataError: a weight outside 0 to 1, or incompatible features.
    """
    if not 0 <= weight <= 1:
        raise DataError(f"the weight of the text is {weight}, not between 0 and 1")
    images, texts = map(normalise, as_pair(image_features, text_features, "cosine"))
    if len(images) != len(texts):
        raise DataError(f"{len(images)} drawings, but {len(texts)} texts: each row of both is one query")
    alone = ~(images.any(axis=1) & texts.any(axis=1))
    shares = np.where(alone, 0.5, weight).astype(np.float32)[:, None]
    return normalise((1 - shares) * images + shares * texts)
