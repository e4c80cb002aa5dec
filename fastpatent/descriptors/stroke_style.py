"""Stroke widths only, nothing of the object: the control baseline for every results table."""

import numpy as np

from fastpatent.descriptors import DESCRIPTORS, Descriptor

LONGEST = 12


def run_lengths(ink: np.ndarray) -> np.ndarray:
    """Return the lengths of all horizontal runs of True in a bool [height, width]."""
    edged = np.zeros((ink.shape[0], ink.shape[1] + 2), np.int8)
    edged[:, 1:-1] = ink
    change = np.diff(edged, axis=1).ravel()
    return np.flatnonzero(change == -1) - np.flatnonzero(change == 1)


def stroke_style(drawing: np.ndarray) -> np.ndarray:
    """Square root of the histogram of horizontal and vertical stroke run lengths 1..12; float32 [24].

    Args:
        drawing: uint8 [height, width]; darker than 128 is ink.
    """
    ink = drawing < 128
    counts = []
    for image in (ink, ink.T):
        lengths = run_lengths(image)
        counts.append(np.bincount(lengths[lengths <= LONGEST], minlength=LONGEST + 1)[1:])
    histogram = np.concatenate(counts).astype(np.float64)
    return np.sqrt(histogram / max(histogram.sum(), 1)).astype(np.float32)


DESCRIPTORS.register(Descriptor(stroke_style), name="stroke_style")
