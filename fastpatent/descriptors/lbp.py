"""Local binary patterns (Ojala, Pietikäinen and Mäenpää, TPAMI 2002), the 58 uniform ones, by scikit-image."""

import numpy as np
from PIL import Image

from fastpatent.descriptors import DESCRIPTORS, Descriptor

SIZE, NEIGHBOURS, RADIUS = 256, 8, 1
UNIFORM = NEIGHBOURS * (NEIGHBOURS - 1) + 2  # codes 0..57; the one after them stands for all others


def lbp(drawing):
    """Square root of the histogram of the uniform patterns of the drawing at 256 x 256, not turned; float32 [58], length 1.

    A pattern is uniform where the eight neighbours around a pixel change at most twice between "at least as bright" and
    "darker". Other patterns are left out, as are border pixels, which lack neighbours. With the square root a cosine is the
    Bhattacharyya coefficient of two histograms; without it blank paper, nine tenths of all pixels, would decide alone.

    Args:
        drawing: uint8 [height, width]; aspect ignored.
    """
    from skimage.feature import local_binary_pattern

    small = np.asarray(Image.fromarray(drawing).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    codes = local_binary_pattern(small, NEIGHBOURS, RADIUS, "nri_uniform").astype(np.uint8)
    counts = np.bincount(codes[RADIUS:-RADIUS, RADIUS:-RADIUS].ravel(), minlength=UNIFORM + 1)[:UNIFORM]
    return np.sqrt(counts / max(counts.sum(), 1)).astype(np.float32)


DESCRIPTORS.register(Descriptor(lbp), name="lbp")
