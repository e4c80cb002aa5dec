"""VisHash (Oyen, Kucer and Wohlberg, SPIE 11843, 2021): which of two neighbouring places is brighter, and by how much.

A variant of the image signature of Wong, Bern and Goldberg (ICIP 2002).
"""

import numpy as np

from fastpatent.descriptors import DESCRIPTORS, Descriptor

GRID, LEVELS = 9, 3
CROP = (1, 99)  # percentiles of the change summed up from the first row (column) to each


def vishash(drawing):
    """Levels -3..3 of each patch's brightness less its left neighbour's, then its upper neighbour's, over 9 x 9 patches.

    A difference below 1 / (8 sqrt(6 x pixels of a patch)) of full brightness counts as 0. The level of any other is how many
    of the percentiles 0, 33 and 67 of all 144 absolute differences it reaches, with its sign.

    Args:
        drawing: uint8 [height, width].

    Returns:
        float32 [144] whole numbers: 9 rows of 8, then 8 rows of 9. All 0 where no patch differs from a neighbour.
    """
    sums, pixels = patch_sums(drawing, *window(drawing))
    differences = np.concatenate([np.diff(sums, axis=1).ravel(), np.diff(sums, axis=0).ravel()])
    size = np.where(np.abs(differences) < 255 * pixels / (8 * np.sqrt(6 * pixels)), 0, np.abs(differences))
    cuts = np.percentile(size, 100 * np.arange(LEVELS) / LEVELS)
    reached = np.searchsorted(cuts, size, side="right") * (size > 0)
    return (np.sign(differences) * reached).astype(np.float32)


def window(drawing):
    """Return ((top, bottom), (left, right)) of the part of the sheet where something is drawn."""
    return span(change(drawing).sum(axis=1, dtype=np.int64)), span(change(drawing.T).sum(axis=1, dtype=np.int64))


def change(drawing):
    """Return how much each pixel differs from the one before it in its row: uint8 [height, width - 1]."""
    here, before = drawing[:, 1:], drawing[:, :-1]
    return np.maximum(here, before) - np.minimum(here, before)


def span(changes):
    """Return (first, end) of the places where the running sum of `changes`, int64 [places], is between its CROP percentiles.

    Blank margins go, and up to a hundredth of the places at either end where there are none. All places where the sum grows
    nowhere, or at one place only.
    """
    running = np.cumsum(changes)
    low, high = np.percentile(running, CROP)
    first, end = np.searchsorted(running, low, side="right"), np.searchsorted(running, high, side="left")
    return (int(first), int(end)) if first < end else (0, len(running))


def patch_sums(drawing, vertical, horizontal):
    """Return (sums of grey of 9 x 9 patches that fill the window, int64 [9, 9]; pixels of a patch).

    Whole numbers, so that differences which are equal tie whatever the rounding of a mean.
    """
    import cv2

    sums = cv2.integral(drawing, sdepth=cv2.CV_64F).astype(np.int64)
    (top, bottom), (left, right) = patches(*vertical), patches(*horizontal)
    bands = sums[bottom] - sums[top]
    return bands[:, right] - bands[:, left], (bottom[0] - top[0]) * (right[0] - left[0])


def patches(first, end):
    """Return (starts, ends), int [9] each, of patches of one length that fill first..end, at least a pixel long."""
    length = max((end - first) // GRID, 1)
    centres = first + (2 * np.arange(GRID) + 1) * (end - first) // (2 * GRID)
    starts = np.maximum(centres - (length + 1) // 2, 0)
    return starts, starts + length


DESCRIPTORS.register(Descriptor(vishash, metric="normalized_euclidean"), name="vishash")
