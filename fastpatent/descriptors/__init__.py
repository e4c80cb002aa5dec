"""Classic features that need no training: functions of one grey drawing that return one float32 row."""

import numpy as np

from fastpatent.data.image import read_drawing
from fastpatent.registry import Registry

DESCRIPTORS = Registry("descriptor", "--compare", "fastpatent.descriptors")


def describe_drawings(descriptor, splits, on_drawing=None):
    """Describe splits.query + splits.gallery.

    Args:
        descriptor: function uint8 [height, width] -> float32 [dim].
        splits: the data set.
        on_drawing: called with the number of drawings done.

    Returns:
        float32 [drawings, dim], the queries first.
    """
    rows = []
    for sample in (*splits.query, *splits.gallery):
        rows.append(descriptor(read_drawing(sample.path)))
        if on_drawing:
            on_drawing(len(rows))
    return np.stack(rows)
