"""Local binary patterns against those of scikit-image."""

import numpy as np
from skimage.feature import local_binary_pattern

from fastpatent.descriptors.lbp import lbp


def changes(pattern):
    bits = [pattern >> place & 1 for place in range(8)]
    return sum(bits[place] != bits[place - 1] for place in range(8))


def test_it_is_the_root_of_the_histogram_of_patterns_that_change_at_most_twice():
    drawing = np.random.default_rng(0).choice(np.array([0, 128, 255], np.uint8), (256, 256))  # no resize at this size
    patterns = local_binary_pattern(drawing, 8, 1, "default").astype(int)[1:-1, 1:-1]
    counts = np.array([(patterns == pattern).sum() for pattern in range(256) if changes(pattern) <= 2])
    assert counts.shape == (58,) and counts.sum() < patterns.size
    np.testing.assert_allclose(np.sort(lbp(drawing)), np.sqrt(np.sort(counts) / counts.sum()), rtol=1e-6)


def test_blank_paper_is_one_pattern():
    assert sorted(lbp(np.full((300, 200), 255, np.uint8)))[-2:] == [0, 1]


def test_a_quarter_turn_moves_patterns_but_not_their_shares():
    drawing = np.where(np.arange(256)[:, None] // 16 % 2, 255, 0).repeat(256, 1).astype(np.uint8)
    level, upright = lbp(drawing), lbp(drawing.T.copy())
    assert np.abs(level - upright).max() > 0.1
    np.testing.assert_allclose(np.sort(level), np.sort(upright), atol=1e-6)
