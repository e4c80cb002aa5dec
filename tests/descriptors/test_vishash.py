"""The signature of images against a plain walk over pixels in Python numbers."""

import math
from fractions import Fraction

import numpy as np
from PIL import Image, ImageDraw

from fastpatent.data.image import read_drawing
from fastpatent.descriptors.vishash import vishash


def percentile(values, percent):
    values = sorted(values)
    place = (len(values) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def plain_span(lines):
    """Range of lines between the 1st and 99th percentile of their cumulative change."""
    running, total = [], 0
    for line in lines:
        total += sum(abs(int(here) - int(before)) for before, here in zip(line, line[1:]))
        running.append(total)
    low, high = percentile(running, 1), percentile(running, 99)
    first = sum(value <= low for value in running)
    end = sum(value < high for value in running)
    return (first, end) if first < end else (0, len(lines))


def plain_patches(first, end):
    share = Fraction(end - first, 9)
    length = max(int(share), 1)
    for number in range(9):
        centre = int(first + share / 2 + number * share)
        start = max(int(centre - Fraction(length, 2)), 0)
        yield start, start + length


def plain_vishash(drawing):
    rows = drawing.tolist()
    sums = []
    for top, bottom in plain_patches(*plain_span(rows)):
        for left, right in plain_patches(*plain_span(drawing.T.tolist())):
            greys = [grey for row in rows[top:bottom] for grey in row[left:right]]
            sums.append(sum(greys))
    grid = [sums[start : start + 9] for start in range(0, 81, 9)]
    differences = [grid[y][x] - grid[y][x - 1] for y in range(9) for x in range(1, 9)]
    differences += [grid[y][x] - grid[y - 1][x] for y in range(1, 9) for x in range(9)]
    threshold = 1 / (8 * math.sqrt(6 * len(greys)))  # of mean brightness, where 255 is 1
    differences = [0 if abs(value) / len(greys) / 255 < threshold else value for value in differences]
    cuts = [percentile([abs(value) for value in differences], percent) for percent in (0, 100 / 3, 200 / 3)]
    levels = []
    for value in differences:
        level = sum(abs(value) >= cut for cut in cuts)
        levels.append(0 if value == 0 else math.copysign(level, value))
    return np.array(levels)


def drawn(seed, size=(131, 97), lines=12, margin=0):
    sheet = Image.new("L", size, 255)
    corners = np.random.default_rng(seed).integers(margin, np.array(size * 2) - margin, (lines, 4))
    for line in corners.tolist():
        ImageDraw.Draw(sheet).line(line, fill=0, width=2)
    return np.asarray(sheet)


def test_it_equals_a_plain_walk():
    for seed in range(4):
        for options in [{}, {"margin": 25}, {"size": (40, 230)}, {"lines": 2}, {"size": (11, 14)}]:
            drawing = drawn(seed, **options)
            row = vishash(drawing)
            assert row.dtype == np.float32, f"{seed=}, {options=}"
            np.testing.assert_array_equal(row, plain_vishash(drawing), err_msg=f"{seed=}, {options=}")


def test_it_equals_a_plain_walk_on_a_real_sheet(shared):
    drawing = read_drawing(min((shared / "impact/patents").rglob("*.TIF")))
    np.testing.assert_array_equal(vishash(drawing), plain_vishash(drawing))


def test_an_edge_down_the_middle_shows_in_the_left_neighbours():
    drawing = np.repeat([[0] * 45 + [255] * 45], 90, axis=0).astype(np.uint8)
    left, up = np.split(vishash(drawing), 2)
    assert (left.reshape(9, 8) == [0, 0, 0, 3, 3, 0, 0, 0]).all() and not up.any()


def test_the_negative_has_the_opposite_levels():
    drawing = drawn(5)
    np.testing.assert_array_equal(vishash(255 - drawing), -vishash(drawing))


def test_blank_margins_change_nothing():
    drawing = drawn(6, margin=20)
    wider = np.pad(drawing, ((70, 30), (10, 90)), constant_values=255)
    assert vishash(drawing).any()
    np.testing.assert_array_equal(vishash(wider), vishash(drawing))


def test_a_speck_below_the_threshold_has_no_effect():
    drawing = np.full((900, 900), 255, np.uint8)
    drawing[::899, :] = drawing[:, ::899] = 254  # the frame that fixes the window
    drawing[450, 450] = 200
    assert not vishash(drawing).any()
