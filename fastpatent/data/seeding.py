"""Chance that depends on a drawing's place in the stream alone: not on workers, processes or where a run was resumed."""

from contextlib import contextmanager

import torch

MASK = 2**64 - 1


def position_seed(seed, position):
    """Hash a run's seed and a position of the sample stream to 32 bits (SplitMix64, Steele et al., OOPSLA 2014).

    32 bits because torch's CPU generator uses no more of a seed.
    """
    mixed = (seed * 0xD1342543DE82EF95 + position * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
    return (mixed ^ (mixed >> 31)) & 0xFFFFFFFF


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
