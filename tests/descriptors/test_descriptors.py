"""Run lengths, pixels, HOG, and what all registered descriptors have in common."""

from itertools import groupby

import numpy as np
import pytest
from PIL import Image

from fastpatent.descriptors import DESCRIPTORS
from fastpatent.descriptors.hog import hog
from fastpatent.descriptors.pixels import pixels
from fastpatent.descriptors.stroke_style import run_lengths, stroke_style


def drawing(height=60, width=47, seed=0):
    return np.where(np.random.default_rng(seed).random((height, width)) < 0.4, 0, 255).astype(np.uint8)


def plain_run_lengths(ink):
    return [len(list(run)) for row in ink for dark, run in groupby(row) if dark]


def test_run_lengths_equal_a_plain_walk():
    for seed in range(3):
        ink = drawing(seed=seed) < 128
        assert run_lengths(ink).tolist() == plain_run_lengths(ink), f"{seed=}"


def test_stroke_style_is_the_root_of_the_histogram():
    image = drawing()
    counts = np.zeros((2, 12))
    for axis, ink in enumerate((image < 128, image.T < 128)):
        for length in plain_run_lengths(ink):
            if length <= 12:
                counts[axis, length - 1] += 1
    np.testing.assert_allclose(stroke_style(image), np.sqrt(counts.ravel() / counts.sum()), rtol=1e-6)
    assert not stroke_style(np.full((5, 5), 255, np.uint8)).any()


def test_pixels_are_the_ink_of_each_place():
    image = np.full((64, 96), 255, np.uint8)
    image[:2, :3] = 0  # one 32 x 32 place exactly
    row = pixels(image)
    assert row[0] == 1 and row[1:].sum() == 0


@pytest.mark.parametrize("name", DESCRIPTORS.names())
def test_every_descriptor_gives_one_finite_row_for_any_sheet(name, tmp_path):
    descriptor = DESCRIPTORS.get(name)
    arguments = []
    if descriptor.learn:
        Image.fromarray(drawing(120, 90)).save(tmp_path / "noise.png")
        arguments = [descriptor.learn([str(tmp_path / "noise.png")], 2, 3, seed=0)]
    sheets = [drawing(), drawing(200, 31), drawing(1, 1), np.full((300, 20), 255, np.uint8), np.zeros((30, 40), np.uint8)]
    rows = [descriptor.describe(sheet, *arguments) for sheet in sheets]
    assert len({row.shape for row in rows}) == 1 and rows[0].ndim == 1
    assert all(row.dtype == np.float32 and np.isfinite(row).all() for row in rows)


def test_hog_sees_orientation():
    stripes = np.where(np.arange(128)[:, None] // 8 % 2, 255, 0).repeat(128, 1).astype(np.uint8)
    along, across = hog(stripes).reshape(-1, 9), hog(stripes.T.copy()).reshape(-1, 9)
    assert along.mean(0).argmax() != across.mean(0).argmax()
