"""Local binary patterns (Ojala, Pietikäinen and Mäenpää, TPAMI 2002), the 58 uniform ones, by scikit-image."""

import numpy as np
from PIL import Image

from fastpatent.descriptors import DESCRIPTORS, Descriptor

SIZE, NEIGHBOURS, RADIUS = 256, 8, 1
UNIFORM = NEIGHBOURS * (NEIGHBOURS - 1) + 2  # codes 0..57; the next code is all non-uniform patterns


def lbp(drawing: np.ndarray) -> np.ndarray:
    """Square root of the histogram of uniform patterns at 256 x 256, not rotation invariant; float32 [58], norm 1.

    A pattern is uniform if the circle of eight neighbours changes at most twice between "at least as bright" and "darker".
    Other patterns are skipped, and so are border pixels, which lack neighbours. With the square root the cosine is the
    Bhattacharyya coefficient of two histograms; without it blank paper, 90% of all pixels, would dominate.

    Args:
        drawing: uint8 [height, width]; aspect ratio is ignored.
    """
    from skimage.feature import local_binary_pattern

    small = np.asarray(Image.fromarray(drawing).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    codes = local_binary_pattern(small, NEIGHBOURS, RADIUS, "nri_uniform").astype(np.uint8)
    counts = np.bincount(codes[RADIUS:-RADIUS, RADIUS:-RADIUS].ravel(), minlength=UNIFORM + 1)[:UNIFORM]
    return np.sqrt(counts / max(counts.sum(), 1)).astype(np.float32)


DESCRIPTORS.register(Descriptor(lbp), name="lbp")
