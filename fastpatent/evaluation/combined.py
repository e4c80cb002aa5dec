"""Queries of a drawing and a text together: one feature between the two, in the space that both towers share."""

import numpy as np

from fastpatent.errors import DataError
from fastpatent.retrieval.distance import as_pair, normalise


def combine(image_features, text_features, weight):
    """Mix drawings and texts row by row: (1 - weight) * drawing + weight * text, all of length 1.

    Where one of the two is a zero row, the query has none of that kind and is asked by the other alone, whatever the weight.

    Args:
        image_features, text_features: float [queries, dim], any norm.
        weight: share of the text, 0 to 1: 0 asks by the drawing alone, 1 by the text alone.

    Returns:
        float32 [queries, dim], rows of length 1.

    Raises:
        DataError: a weight outside 0 to 1, or features that do not go together.
    """
    if not 0 <= weight <= 1:
        raise DataError(f"the weight of the text is {weight}, not between 0 and 1")
    images, texts = map(normalise, as_pair(image_features, text_features, "cosine"))
    if len(images) != len(texts):
        raise DataError(f"{len(images)} drawings came with {len(texts)} texts: every row of both is one query")
    alone = ~(images.any(axis=1) & texts.any(axis=1))
    shares = np.where(alone, 0.5, weight).astype(np.float32)[:, None]
    return normalise((1 - shares) * images + shares * texts)
