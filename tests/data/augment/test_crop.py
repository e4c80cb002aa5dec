"""Crops and flips against NumPy."""

import numpy as np
import pytest
import torch
from scipy import stats

from fastpatent.data.augment.crop import Flip, PadAndCrop


@pytest.mark.parametrize("mode, padding", [("constant", 3), ("edge", 3), ("reflect", 3), ("symmetric", 3), ("reflect", 11)])
def test_every_window_of_numpys_padding_is_equally_likely(alone, noise, mode, padding):
    for value in (0, 255, 77) if mode == "constant" else (0,):
        images = noise(1, 7, 10).expand(6000, -1, -1, -1)
        found = alone(PadAndCrop(padding, mode, value), images).numpy()
        constant = {"constant_values": value} if mode == "constant" else {}
        padded = np.pad(images[0, 0].numpy(), padding, mode=mode, **constant)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 10)).reshape(-1, 70)
        assert len(windows) == (2 * padding + 1) ** 2, f"{value=}"
        different, ways = np.unique(windows, axis=0, return_counts=True)  # with enough reflection, crops repeat
        places = {window.tobytes(): place for place, window in enumerate(different)}
        counts = np.bincount([places[image.tobytes()] for image in found], minlength=len(different))
        assert stats.chisquare(counts, ways / ways.sum() * len(found)).pvalue > 1e-3, f"{value=}"


def test_no_padding_leaves_all_as_it_is(alone, noise):
    images = noise(5, 6, 9)
    assert torch.equal(alone(PadAndCrop(0), images), images)


def test_flip_mirrors_at_its_probability(alone, noise):
    for probability in [0.0, 0.3, 0.5, 1.0]:
        images = noise(20000, 2, 5)
        found = alone(Flip(probability), images)
        mirrored = (found == images.flip(3)).all((1, 2, 3))
        assert (mirrored ^ (found == images).all((1, 2, 3))).all(), f"{probability=}"
        assert abs(mirrored.double().mean() - probability) <= 3 * (probability * (1 - probability) / 20000) ** 0.5, (
            f"{probability=}"
        )
