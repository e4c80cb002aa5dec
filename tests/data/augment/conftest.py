"""Batches to augment, and single steps."""

import numpy as np
import pytest
import torch

from fastpatent.data.augment.batch import BatchAugmentation


def noise(batch, height, width, seed=0):
    """Different random grey images, uint8 [batch, 1, height, width]."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (batch, 1, height, width), np.uint8))


@pytest.fixture(name="noise")
def _noise():
    return noise


@pytest.fixture
def alone():
    """Function (step, images, positions, seed) that applies one step; the default positions are 0, 1, ..."""

    def apply(step, images, positions=None, seed=0):
        positions = torch.arange(len(images)) if positions is None else torch.as_tensor(positions)
        return BatchAugmentation([step], seed)(images, positions)

    return apply
