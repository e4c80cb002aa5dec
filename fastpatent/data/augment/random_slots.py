"""What the steps of batch augmentation share: their slots in the random numbers of an image, and the form of their plans."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch

# Slots (see `seeding.uniforms`) of each step. They are disjoint, so disabling one step does not change the others.
AUTOAUGMENT_SLOTS = range(0, 8)
CROP_SLOTS = range(8, 10)
FLIP_SLOTS = range(10, 11)
BLUR_SLOTS = range(11, 13)
ERASING_SLOTS = range(16, 39)
LINE_SLOTS = range(39, 45)
ROTATION_SLOTS = range(64, 66)
JITTER_SLOTS = range(66, 70)


class Action(NamedTuple):
    """One operation on some images of a batch, planned on the CPU.

    Attributes:
        function: (images uint8 [batch, 1, height, width], *tensors) -> images; may modify its input in place.
        arrays: NumPy arrays that are passed to `function` as tensors on the images' device.
    """

    function: Callable[..., torch.Tensor]
    arrays: tuple[np.ndarray, ...]


class Step(Protocol):
    """A step of batch augmentation: the slots of its random numbers, and its plan for them."""

    slots: range

    def plan(self, uniforms: np.ndarray, height: int, width: int) -> Iterator[Action]:
        """Yield the Actions for float64 [batch, slots] and images of this size in pixels."""
        ...


def whole(uniform: np.ndarray, count: int | np.ndarray) -> np.ndarray:
    """Convert uniforms in [0, 1) to int64 from 0 to count - 1, all equally likely; `count` may be an array."""
    return (uniform * count).astype(np.int64)
