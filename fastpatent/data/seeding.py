"""Random numbers that depend on a sample's position in the stream only, not on workers, processes or resuming."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15
SEED_FACTOR = 0xD1342543DE82EF95
BATCH_SALT = 0xA0761D6478BD642F  # separates the numbers of batches from those of single images

Integers = TypeVar("Integers", int, np.ndarray)


def position_seed(seed: int, position: int) -> int:
    """Hash a run's seed and a position of the sample stream to 32 bits (SplitMix64, Steele et al., OOPSLA 2014).

    32 bits, because torch's CPU generator uses no more of a seed.
    """
    return _mix(seed * SEED_FACTOR + position * GAMMA + GAMMA) & 0xFFFFFFFF


def splitmix64(states: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return outputs of the SplitMix64 generators with the given states, without computing the outputs before them.

    Args:
        states: uint64 array.
        numbers: indices of the outputs, a uint64 array that broadcasts with `states`; 0 is the first output.

    Returns:
        uint64 array.
    """
    return _mix(states + (numbers + np.uint64(1)) * np.uint64(GAMMA))


def uniforms(seed: int, positions: np.ndarray | Sequence[int], slots: np.ndarray | Sequence[int]) -> np.ndarray:
    """Return a random number for every position of the sample stream and every slot, a function of the arguments only.

    Args:
        seed: seed of the run.
        positions: int array [batch] of at least 0.
        slots: int array [slots] of at least 0: each purpose of a random number has its own.

    Returns:
        float64 array [batch, slots], uniform in [0, 1): SplitMix64 whose state is a hash of seed and position.
    """
    start = np.uint64((seed * SEED_FACTOR + BATCH_SALT) & MASK)
    states = _mix(np.asarray(positions).astype(np.uint64) * np.uint64(GAMMA) + start)
    return (splitmix64(states[:, None], np.asarray(slots).astype(np.uint64)) >> 11) * 2.0**-53


def _mix(value: Integers) -> Integers:
    """Mix the bits of a Python int, taken modulo 2**64, or of a uint64 array."""
    value = value & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator, the only one that torchvision's transforms use, and restore its state at the end."""
    generator = torch.default_generator  # torch.manual_seed would seed the accelerator too
    state = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(state)
