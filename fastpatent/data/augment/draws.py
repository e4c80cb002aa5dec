"""What the steps of batch augmentation share: their places in the stream of random numbers, and the form of a decision."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# What each step draws per image; apart from each other, so that switching one step off leaves the others' chance as it was.
AUTOAUGMENT_SLOTS = range(0, 6)
CROP_SLOTS = range(8, 10)
FLIP_SLOTS = range(10, 11)
BLUR_SLOTS = range(11, 13)
ERASING_SLOTS = range(16, 39)


class Action(NamedTuple):
    """One thing to do to some images of a batch, decided on the CPU.

    Attributes:
        function: (images uint8 [batch, 1, height, width], *tensors) -> images; may write into the images it gets.
        arrays: the NumPy arrays that reach `function` as tensors on the images' device.
    """

    function: Callable
    arrays: tuple


def whole(uniform, count):
    """Turn uniforms in [0, 1) into int64 from 0 to count - 1, all equally likely; `count` may be an array."""
    return (uniform * count).astype(np.int64)
