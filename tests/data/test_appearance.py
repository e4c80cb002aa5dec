"""Images that can be read and are not what they should be; drawings are by numbers, real ones from the shared folder."""

import numpy as np
import pytest
from PIL import Image

from fastpatent.data.appearance import is_blank, is_inverted, is_strip, oddities
from fastpatent.data.image import open_drawing
from tests.small_sets import strokes


def framed(drawing, width, grey):
    drawing = drawing.copy()
    drawing[:width] = drawing[-width:] = grey
    drawing[:, :width] = drawing[:, -width:] = grey
    return drawing


def test_inverted_drawings():
    sheet = np.full((300, 200), 255, np.uint8)
    sheet[50:250, 20:180] = 0  # more than half of it is ink
    for drawing in (strokes(1, (400, 300)), sheet, framed(strokes(2, (400, 300)), 20, 0), np.full((30, 30), 255, np.uint8)):
        assert not is_inverted(drawing)
    for drawing in (strokes(1, (400, 300)), sheet, np.full((1, 90), 255, np.uint8)):
        assert is_inverted(255 - drawing)


def test_blank_drawings():
    paper = np.full((200, 200), 240, np.uint8)
    paper += np.random.default_rng(0).integers(-15, 16, paper.shape).astype(np.uint8)
    speck, line = paper.copy(), paper.copy()
    speck[3, 3:6] = 0
    line[3, 3:7] = 0  # four of 40,000 pixels are the least that count
    for pixels, blank in ((paper, True), (speck, True), (line, False), (np.zeros((9, 9), np.uint8), True)):
        assert is_blank(Image.fromarray(pixels)) == blank


def test_strips_and_pages():
    for size, strip in (((200, 10), False), ((201, 10), True), ((10, 201), True)):
        assert is_strip(Image.new("L", size)) == strip
    assert oddities(Image.new("L", (30, 1)), 3) == {
        "blank drawing": "",
        "extreme aspect ratio": " (30 x 1 pixels)",
        "more pages or frames than the first": " (3 in all)",
    }
    assert oddities(Image.fromarray(255 - strokes(1)), 1) == {"inverted drawing, white on black": ""}
    assert oddities(Image.fromarray(strokes(1)), 1) == {}


@pytest.mark.slow
def test_real_drawings_are_as_they_should_be(shared):
    sheets = sorted((shared / "impact/patents").glob("*/*.TIF"))[::8]
    views = sorted((shared / "multiview/images").glob("*/*.png"))[::400]
    assert len(sheets) > 40 and len(views) > 90
    for path in (*sheets, *views):
        drawing = open_drawing(path)
        assert oddities(drawing, 1) == {} and is_inverted(255 - np.asarray(drawing)), path
