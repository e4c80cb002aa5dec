"""VisHash (Oyen, Kucer and Wohlberg, SPIE 11843, 2021): which of two neighbouring patches is brighter, and by how much.

A variant of the image signature of Wong, Bern and Goldberg (ICIP 2002).
"""

import numpy as np

from fastpatent.descriptors import DESCRIPTORS, Descriptor

GRID, LEVELS = 9, 3
CROP = (1, 99)  # percentiles of the cumulative change over rows (columns)


def vishash(drawing: np.ndarray) -> np.ndarray:
    """Levels -3..3 of each patch's brightness minus its left neighbour's, then its upper neighbour's, over 9 x 9 patches.

    A difference below 1 / (8 sqrt(6 x pixels per patch)) of full brightness counts as 0. The level of any other is its sign
    times the number of percentiles 0, 33 and 67 of all 144 absolute differences that it reaches.

    Args:
        drawing: uint8 [height, width].

    Returns:
        float32 [144] of integers: 9 rows of 8, then 8 rows of 9. All 0 if no patch differs from a neighbour.
    """
    sums, pixels = patch_sums(drawing, *window(drawing))
    differences = np.concatenate([np.diff(sums, axis=1).ravel(), np.diff(sums, axis=0).ravel()])
    size = np.where(np.abs(differences) < 255 * pixels / (8 * np.sqrt(6 * pixels)), 0, np.abs(differences))
    cuts = np.percentile(size, 100 * np.arange(LEVELS) / LEVELS)
    reached = np.searchsorted(cuts, size, side="right") * (size > 0)
    return (np.sign(differences) * reached).astype(np.float32)


def window(drawing: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((top, bottom), (left, right)) of the drawn part of the sheet."""
    return span(change(drawing).sum(axis=1, dtype=np.int64)), span(change(drawing.T).sum(axis=1, dtype=np.int64))


def change(drawing: np.ndarray) -> np.ndarray:
    """Return the absolute difference of horizontal neighbours: uint8 [height, width - 1]."""
    here, before = drawing[:, 1:], drawing[:, :-1]
    return np.maximum(here, before) - np.minimum(here, before)


def span(changes: np.ndarray) -> tuple[int, int]:
    """Return (first, end) of the range where the cumulative sum of `changes`, int64 [n], is between its CROP percentiles.

    This removes blank margins, or up to 1% at either end if there are none. The whole range if the sum grows nowhere, or at
    one index only.
    """
    running = np.cumsum(changes)
    low, high = np.percentile(running, CROP)
    first, end = np.searchsorted(running, low, side="right"), np.searchsorted(running, high, side="left")
    return (int(first), int(end)) if first < end else (0, len(running))


def patch_sums(drawing: np.ndarray, vertical: tuple[int, int], horizontal: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Return (sums of grey of the 9 x 9 patches that fill the window, int64 [9, 9]; pixels per patch).

    Integers, so that equal differences tie exactly; means would be rounded.
    """
    import cv2

    sums = cv2.integral(drawing, sdepth=cv2.CV_64F).astype(np.int64)
    (top, bottom), (left, right) = patches(*vertical), patches(*horizontal)
    bands = sums[bottom] - sums[top]
    return bands[:, right] - bands[:, left], (bottom[0] - top[0]) * (right[0] - left[0])


def patches(first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (starts, ends), int [9] each, of patches of equal length, at least 1 pixel, that fill first..end."""
    length = max((end - first) // GRID, 1)
    centres = first + (2 * np.arange(GRID) + 1) * (end - first) // (2 * GRID)
    starts = np.maximum(centres - (length + 1) // 2, 0)
    return starts, starts + length


DESCRIPTORS.register(Descriptor(vishash, metric="normalized_euclidean"), name="vishash")
