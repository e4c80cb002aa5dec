"""Mixed queries of drawing and text against the formula in float64."""

import numpy as np
import pytest

from fastpatent.errors import DataError
from fastpatent.evaluation.combined import combine


def features(rows=7, dim=5):
    rng = np.random.default_rng(0)
    return 3 * rng.standard_normal((2, rows, dim)).astype(np.float32)


def test_a_mixed_query_is_the_weighted_mean():
    images, texts = features()
    for weight in (0, 0.3, 0.5, 1):
        found = combine(images, texts, weight)
        for row, image, text in zip(found, images.astype(np.float64), texts.astype(np.float64)):
            mixed = (1 - weight) * image / np.linalg.norm(image) + weight * text / np.linalg.norm(text)
            np.testing.assert_allclose(row, mixed / np.linalg.norm(mixed), atol=1e-6, err_msg=str(weight))
        assert found.dtype == np.float32


def test_without_a_drawing_or_a_text_only_the_other_counts():
    images, texts = features()
    images[2], texts[4] = 0, 0
    for weight in (0, 0.4, 1):
        found = combine(images, texts, weight)
        np.testing.assert_allclose(found[2], texts[2] / np.linalg.norm(texts[2]), atol=1e-6, err_msg=str(weight))
        np.testing.assert_allclose(found[4], images[4] / np.linalg.norm(images[4]), atol=1e-6, err_msg=str(weight))


def test_a_drawing_and_a_text_that_cancel_out_are_near_nothing():
    image = np.array([[0.6, 0.8]], np.float32)
    np.testing.assert_array_equal(combine(image, -image, 0.5), np.zeros((1, 2)))


def test_a_weight_that_is_no_share():
    for weight in (-0.1, 1.1, np.nan):
        with pytest.raises(DataError, match=f"weight of the text is {weight}, not between 0 and 1"):
            combine(*features(), weight)


def test_sides_of_other_lengths_or_dimensions():
    images, texts = features()
    with pytest.raises(DataError, match="7 drawings, but 6 texts"):
        combine(images, texts[:6], 0.5)
    with pytest.raises(DataError, match="dimensions"):
        combine(images, texts[:, :3], 0.5)
