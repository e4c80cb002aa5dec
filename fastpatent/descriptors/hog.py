"""Histograms of oriented gradients (Dalal and Triggs, CVPR 2005), by scikit-image."""

import numpy as np
from PIL import Image

from fastpatent.descriptors import DESCRIPTORS, Descriptor

SIZE, CELL, BLOCK, ORIENTATIONS = 128, 16, 2, 9


def hog(drawing: np.ndarray) -> np.ndarray:
    """HOG of the drawing at 128 x 128: 9 orientations, cells of 16 px, blocks of 2 x 2 cells; float32 [1764].

    Args:
        drawing: uint8 [height, width]; aspect ratio is ignored.
    """
    from skimage.feature import hog as oriented_gradients  # of an extra, and slow to import

    small = np.asarray(Image.fromarray(drawing).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    return oriented_gradients(small, ORIENTATIONS, (CELL, CELL), (BLOCK, BLOCK), block_norm="L2-Hys").astype(np.float32)


DESCRIPTORS.register(Descriptor(hog), name="hog")
