"""Pairs of drawings, and lines between their regions, pixel by pixel."""

import base64
import io

import numpy as np
from PIL import Image, ImageColor

from fastpatent.evaluation.analysis.regions import Match, Regions
from fastpatent.report.plot_style import COLOURS
from fastpatent.report.test_report.pictures import GAP, SIDE, drawings_url, regions_url


def pixels(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")).astype(int)


def test_drawings_stand_side_by_side_and_an_unreadable_one_is_white(tmp_path):
    Image.new("L", (40, 60)).save(tmp_path / "black.png")
    pair = pixels(drawings_url([str(tmp_path / "black.png"), str(tmp_path / "gone.png")]))
    assert pair.shape == (SIDE, 2 * SIDE + GAP, 3)
    dark = (pair < 10).all(axis=2)
    assert dark.sum() == 40 * 60 and dark[SIDE // 2, SIDE // 2] and pair[:, SIDE:].min() > 250


def test_a_line_joins_the_two_places_of_a_match():
    blank = np.full((60, 120), 255, np.uint8)
    best = Match((30.0, 15.0), (45.0, 45.0), 0.9)
    found = pixels(regions_url(Regions(blank, blank[:, :60], [best, Match((5.0, 5.0), (5.0, 5.0), 0.1)]), 240))
    assert found.shape == (240, 2 * 240 + GAP, 3)
    # 120 x 60 at twice the size in the middle of 240 x 240; 60 x 60 at four times, side by side
    ends = (2 * 30, 60 + 2 * 15), (240 + GAP + 4 * 45, 4 * 45)
    colour = ImageColor.getrgb(COLOURS[1])  # the second that is drawn
    x, y = (int(np.mean(axis)) for axis in zip(*ends))
    assert np.abs(found[y - 1 : y + 2, x] - colour).sum(axis=1).min() < 30
