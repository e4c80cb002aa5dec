"""Photographs become black lines on white: those of objects, of which the outlines are known, and those of sheets."""

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from fastpatent.search.photograph import SIDE, edge_map, is_drawing

SIZE = 600
OUTLINE = np.array([[150, 150], [420, 180], [450, 460], [180, 430]])
HOLE = (300, 300), 60


def object_photograph(seed, texture=6):
    """Return a coloured plate with a hole on textured, unevenly lit ground, with a soft shadow; RGB [SIZE, SIDE]."""
    rng = np.random.default_rng(seed)
    plate = cv2.fillPoly(np.zeros((SIZE, SIZE), np.uint8), [OUTLINE], 1)
    cv2.circle(plate, *HOLE, 0, -1)
    shadow = cv2.GaussianBlur(np.roll(plate, (20, 20), (0, 1)).astype(np.float32), (0, 0), 15)
    light = np.linspace(0.8, 1, SIZE)[None, :, None]
    ground = np.array([200, 190, 170]) * (1 - 0.3 * shadow[..., None])
    pixels = np.where(plate[..., None], np.array([150, 60, 70]), ground) * light + rng.normal(0, texture, (SIZE, SIZE, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def sheet(side=SIZE):
    paper = np.full((side, side), 255, np.uint8)
    cv2.polylines(paper, [OUTLINE], True, 0, 3)
    cv2.circle(paper, *HOLE, 0, 3)
    return paper


def drawn(image):
    """Return bool [SIZE, SIZE]: the ink of an edge map of any size."""
    return np.asarray(image.resize((SIZE, SIZE))) < 128


def near(ink, other, reach):
    """Return the share of one ink within `reach` pixels of the other."""
    distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, 5)
    return np.mean(distance[ink] <= reach)


@pytest.mark.parametrize("seed", range(2))
def test_the_outlines_of_an_object_are_found_and_neither_noise_nor_shadow(seed):
    photograph = object_photograph(seed)
    assert not is_drawing(photograph)
    found, true = edge_map(photograph), sheet() < 128
    assert found.mode == "L" and max(found.size) == SIDE
    assert near(true, drawn(found), 6) > 0.97
    assert near(drawn(found), true, 6) > 0.97


def test_a_photographed_sheet_has_white_paper_and_its_lines():
    """By thresholds that fit the light at each place, which here are known."""
    rng = np.random.default_rng(0)
    light = 110 + 110 / (1 + np.exp(-np.linspace(-15, 15, SIZE)))  # the shadow of a hand
    pixels = (0.2 + 0.8 * sheet() / 255) * light[None] + rng.normal(0, 4, (SIZE, SIZE))
    photograph = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert("RGB")
    assert is_drawing(photograph)
    found = np.asarray(edge_map(photograph))
    assert ((found < 128) == (sheet() < 128)).mean() > 0.995
    assert np.mean(found == 255) > 0.9


def test_a_drawing_stays_as_it_is():
    drawing = Image.fromarray(sheet())
    assert is_drawing(drawing)
    assert np.abs(np.asarray(edge_map(drawing.convert("RGB"))).astype(int) - sheet()).mean() < 1


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee", "chelsea", "coins", "page", "text"])
def test_real_photographs_are_told_from_sheets(name):
    image = Image.fromarray(getattr(data, name)()).convert("RGB")
    assert is_drawing(image) == (name in ("page", "text"))
    lines = np.asarray(edge_map(image))
    assert lines.mean() > 160 and (lines < 128).mean() > 0.005


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (40, 30), (3000, 20)])
def test_any_size_and_no_content(size):
    for colour in (0, 128, 255):
        found = edge_map(Image.new("RGB", size, (colour,) * 3))
        assert found.mode == "L" and max(found.size) <= SIDE
