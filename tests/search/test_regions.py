"""Regions of two drawings that are alike, where it is known which they are: parts of one drawing, moved or cut."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from fastpatent.config import load_config
from fastpatent.evaluation.pipeline import Pipeline
from fastpatent.search.regions import MOST, matching_regions
from tests.search.test_build import PIXELS

SIDE, CUT = 700, 300  # seven cells of 100 pixels
HOG = ["DESCRIPTOR.NAME", "hog"]


def sheet(seed):
    """Return a drawing of dense random strokes, of which no two places are alike."""
    rng = np.random.default_rng(seed)
    drawing = Image.new("L", (SIDE, SIDE), 255)
    pen = ImageDraw.Draw(drawing)
    for _ in range(90):
        start = rng.uniform(0, SIDE, 2)
        end = start + rng.uniform(-120, 120, 2)
        pen.line((*start, *end), 0, int(rng.integers(2, 7)))
    pen.rectangle((0, 0, SIDE - 1, SIDE - 1), outline=0, width=3)
    return drawing


def middles(box, size):
    return (np.array(box[:2]) + np.array(box[2:]) / 2) * size


@pytest.fixture(scope="module", params=[PIXELS, HOG], ids=["pixels", "hog"])
def pipeline(request):
    return Pipeline(load_config(overrides=[*request.param, "DATALOADER.NUM_WORKERS", "0"]), torch.device("cpu"))


def test_a_moved_copy_has_its_regions_where_it_was_moved(pipeline):
    first, second = sheet(0), Image.new("L", (1200, 900), 255)
    second.paste(first.resize((525, 525)), (500, 200))
    pairs = matching_regions(pipeline, first, second)
    assert 4 <= len(pairs) <= MOST
    for pair in pairs:
        moved = middles(pair.first, first.size) * 0.75 + [500, 200]
        assert np.abs(moved - middles(pair.second, second.size)).max() < 20
        assert pair.cosine > 0.9
        for box in pair[:2]:
            assert min(box) >= 0 and max(box[0] + box[2], box[1] + box[3]) <= 1 + 1e-9
    assert [pair.cosine for pair in pairs] == sorted((pair.cosine for pair in pairs), reverse=True)
    assert matching_regions(pipeline, first, second, most=2) == pairs[:2]


def test_parts_that_are_exchanged_are_found(pipeline):
    first = sheet(1)
    second = Image.new("L", first.size, 255)
    second.paste(first.crop((CUT, 0, SIDE, SIDE)), (0, 0))
    second.paste(first.crop((0, 0, CUT, SIDE)), (SIDE - CUT, 0))
    pairs = matching_regions(pipeline, first, second, most=4)
    assert len(pairs) == 4
    for pair in pairs:
        before, after = (middles(box, first.size) for box in pair[:2])
        shift = SIDE - CUT if before[0] < CUT else -CUT
        assert np.abs(before + [shift, 0] - after).max() < 25


@pytest.mark.parametrize("size", [(600, 600), (1, 1), (5, 3000)])
def test_no_ink_and_odd_sizes(pipeline, size):
    blank, strip = Image.new("L", size, 255), Image.new("L", size, 0)
    assert matching_regions(pipeline, blank, sheet(0)) == [] == matching_regions(pipeline, sheet(0), blank)
    for pair in matching_regions(pipeline, strip, strip):
        assert pair.first == pair.second
