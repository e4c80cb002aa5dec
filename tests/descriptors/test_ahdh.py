"""AHDH against the plain recursion of `plain_ahdh`."""

import numpy as np
from PIL import Image, ImageDraw
from skimage.filters import threshold_otsu

from fastpatent.data.image import read_drawing
from fastpatent.descriptors.ahdh import ahdh
from tests.descriptors.plain_ahdh import plain_ahdh

LEVELS = 6  # of 10: enough for every case, and 250 times faster
NUMBERS = 4 + 16 + 15 * (LEVELS - 2)


def noise(share, height=61, width=47, seed=0):
    return np.random.default_rng(seed).random((height, width)) < share


def lines():
    sheet = Image.new("1", (157, 213))
    pen = ImageDraw.Draw(sheet)
    for corners in np.random.default_rng(1).integers(0, 150, (9, 4)).tolist():
        pen.line(corners, fill=1, width=2)
    return np.asarray(sheet)


def points(height, width, *places):
    ink = np.zeros((height, width), bool)
    ink[tuple(np.transpose(places))] = True
    return ink


INK = {
    "dense": noise(0.6),
    "sparse": noise(0.01),
    "lines": lines(),
    "diagonal, two parts empty": np.eye(64, dtype=bool),
    "one row": points(1, 50, (0, 3), (0, 7), (0, 44)),
    "one column": points(50, 1, (3, 0), (7, 0)),
    "one point": points(9, 12, (4, 7)),
    "a point in the first corner": points(9, 12, (0, 0)),
    "a point in the last corner": points(9, 12, (8, 11)),
    "a block, all parts as dense": np.ones((32, 32), bool),
    "one pixel": np.ones((1, 1), bool),
    "blank": np.zeros((40, 30), bool),
}


def sheet(ink):
    return np.where(ink, 0, 255).astype(np.uint8)


def test_equals_the_plain_recursion():
    for name in INK:
        row = ahdh(sheet(INK[name]))
        assert row.shape == (140,) and row.dtype == np.float32, f"{name=}"
        np.testing.assert_array_equal(row[:NUMBERS], plain_ahdh(INK[name], LEVELS).astype(np.float32), err_msg=f"{name=}")


def test_equals_the_plain_recursion_to_the_last_level():
    np.testing.assert_array_equal(ahdh(sheet(lines())), plain_ahdh(lines()).astype(np.float32))


def test_equals_the_plain_recursion_on_a_real_sheet(shared):
    drawing = read_drawing(min((shared / "impact/patents").rglob("*.TIF")))
    np.testing.assert_array_equal(ahdh(drawing)[:NUMBERS], plain_ahdh(drawing < 128, LEVELS).astype(np.float32))


def test_ink_is_separated_from_the_paper_by_otsus_threshold():
    grey = np.random.default_rng(2).choice(np.array([0, 85, 170, 255], np.uint8), (61, 47), p=[0.1, 0.05, 0.05, 0.8])
    expected = plain_ahdh(grey <= threshold_otsu(grey), LEVELS)
    np.testing.assert_array_equal(ahdh(grey)[:NUMBERS], expected.astype(np.float32))


def test_a_sheet_of_one_grey_is_blank():
    for grey in [1, 128, 255]:
        np.testing.assert_array_equal(ahdh(np.full((8, 9), grey, np.uint8)), ahdh(sheet(INK["blank"])), err_msg=f"{grey=}")


def test_every_histogram_counts_every_region():
    words = ahdh(sheet(lines()))[20:].reshape(8, 15)
    np.testing.assert_allclose(words.sum(axis=1), 1, rtol=1e-6)
