"""The raw pixels at 32 x 32: the baseline for every feature."""

import numpy as np
from PIL import Image

from fastpatent.descriptors import DESCRIPTORS, Descriptor

SIZE = 32


def pixels(drawing: np.ndarray) -> np.ndarray:
    """Ink per pixel: float32 [1024] in 0 (paper) .. 1 (ink), from uint8 [height, width]; aspect ratio is ignored."""
    small = Image.fromarray(drawing).resize((SIZE, SIZE), Image.Resampling.BOX)
    return 1 - np.asarray(small, np.float32).ravel() / 255


DESCRIPTORS.register(Descriptor(pixels), name="pixels")
