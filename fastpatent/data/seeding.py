"""Chance that depends on a drawing's place in the stream alone: not on workers, processes or where a run was resumed."""

from contextlib import contextmanager

import numpy as np
import torch

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15
SEED_FACTOR = 0xD1342543DE82EF95
BATCH_SALT = 0xA0761D6478BD642F  # keeps what batches draw apart from what single drawings draw


def position_seed(seed, position):
    """Hash a run's seed and a position of the sample stream to 32 bits (SplitMix64, Steele et al., OOPSLA 2014).

    32 bits because torch's CPU generator uses no more of a seed.
    """
    return _mix(seed * SEED_FACTOR + position * GAMMA + GAMMA) & 0xFFFFFFFF


def splitmix64(states, numbers):
    """Return the outputs of the SplitMix64 generators that start at `states`, each without computing those before it.

    Args:
        states: uint64 array.
        numbers: uint64 array that broadcasts with `states`; 0 is a generator's first output.

    Returns:
        uint64 array.
    """
    return _mix(states + (numbers + np.uint64(1)) * np.uint64(GAMMA))


def uniforms(seed, positions, slots):
    """Draw one number for every position of the sample stream and every slot: always the same one, whatever else is drawn.

    Args:
        seed: the run's, an int.
        positions: int array [batch] of at least 0.
        slots: int array [draws] of at least 0; what a number is for.

    Returns:
        float64 array [batch, draws], uniform in [0, 1): SplitMix64 whose start is a hash of seed and position.
    """
    start = np.uint64((seed * SEED_FACTOR + BATCH_SALT) & MASK)
    states = _mix(np.asarray(positions).astype(np.uint64) * np.uint64(GAMMA) + start)
    return (splitmix64(states[:, None], np.asarray(slots).astype(np.uint64)) >> 11) * 2.0**-53


def _mix(value):
    """Scramble 64 bits: a Python int of any size, or a uint64 array, which wraps around by itself."""
    value = value & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


@contextmanager
def seeded(seed):
    """Seed torch's CPU generator, the only one that torchvision's transforms draw from, and put its state back after."""
    generator = torch.default_generator  # torch.manual_seed would reseed the accelerator too
    state = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(state)
