"""Lines against SciPy's filters and against lines drawn by hand; drawings singly and in batches."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, stats

from fastpatent.data.augment.lines import GAP, PERIOD, Lines, RandomLines
from fastpatent.data.augment.random_slots import LINE_SLOTS
from fastpatent.data.seeding import position_seed, seeded, uniforms
from fastpatent.data.transforms import build_train_transform


def strokes(side=64, thick=1):
    """A horizontal, a vertical and a diagonal line and a filled square, uint8 [side, side]."""
    drawing = np.full((side, side), 255, np.uint8)
    drawing[4 : 4 + thick, 4:-4] = 0
    drawing[8:-4, 4 : 4 + thick] = 0
    for place in range(12, side - 20):
        drawing[place, place : place + thick] = 0
    drawing[-14:-4, -14:-4] = 0
    return drawing


def batch_of(drawing, count):
    return torch.from_numpy(drawing).expand(count, 1, -1, -1)


@pytest.mark.parametrize("size, width", [((32, 32), 1.0), ((24, 37), 2.0), ((1, 9), 0.5)])
def test_widths_are_blends_with_scipys_filters(alone, noise, size, width):
    images = noise(60, *size)
    found = alone(Lines(0.7, width), images, seed=2).numpy()
    drawn = uniforms(2, np.arange(60), LINE_SLOTS)
    changes = width * (2 * drawn[:, 1] - 1)
    for image, result, fires, change in zip(images.numpy(), found, drawn[:, 0], changes):
        if change > 0:
            goal = ndimage.minimum_filter(image[0], 3, mode="constant", cval=255)
        else:
            goal = ndimage.maximum_filter(image[0], 3, mode="constant", cval=0)
        expected = image[0] + (goal.astype(float) - image[0]) * (abs(change) / 2 if fires < 0.7 else 0)
        assert np.abs(result[0] - expected).max() <= 0.5 + 1e-4, f"{change=}"


def test_the_ink_across_a_line_changes_by_the_width(alone):
    """Of a line of 4 pixels across the whole image, from which neither side takes all."""
    drawing = np.full((20, 16), 255, np.uint8)
    drawing[8:12] = 0
    found = alone(Lines(1.0, 2.0), batch_of(drawing, 500))
    ink = (255 - found[:, 0].double()).sum(1) / 255
    assert (ink - ink[:, :1]).abs().max() == 0
    assert stats.kstest(ink[:, 0], stats.uniform(2, 4).cdf).pvalue > 1e-3


def runs(dark):
    """Lengths of the runs of True and of False in a bool array [length], without the first and the last."""
    edges = np.flatnonzero(np.diff(dark)) + 1
    lengths, first = np.diff(edges), bool(dark[edges[0]]) if len(edges) else True
    return (lengths[::2], lengths[1::2]) if first else (lengths[1::2], lengths[::2])


@pytest.mark.parametrize("thick", [1, 2])
def test_dashes_run_along_lines_of_every_direction_and_leave_what_is_filled(alone, thick):
    drawing = strokes(64, thick)
    found = alone(Lines(1.0, 0.0, 1.0), batch_of(drawing, 60)).numpy()[:, 0]
    assert np.isin(found, (0, 255)).all() and (found >= drawing).all()
    assert (found[:, -14:-4, -14:-4] == 0).all()
    along = np.arange(14, 40)
    for name, line in (
        ("horizontal", found[:, 4, 10:54]),
        ("vertical", found[:, 14:54, 4]),
        ("diagonal", found[:, along, along]),
    ):
        kept = (line == 0).mean(1)
        assert kept.min() > 0.4 and kept.max() < 0.9, name
        for dark in line == 0:
            dashes, gaps = runs(dark)
            assert max(dashes, default=1) <= 64 * PERIOD[1] * (1 - GAP[0]) + 2, name
            assert min(gaps, default=1) >= 1 and max(gaps, default=1) <= 64 * PERIOD[1] * GAP[1] + 2, name


def test_dashes_repeat_at_their_period(alone):
    """Every pixel of a long line follows the float64 formula of its period, gap and phase."""
    drawing = np.full((9, 400), 255, np.uint8)
    drawing[4] = 0
    found = alone(Lines(1.0, 0.0, 0.6), batch_of(drawing, 50), seed=5)[:, 0, 4].numpy()
    for line, (_, _, dashed, period, gap, phase) in zip(found, uniforms(5, np.arange(50), LINE_SLOTS)):
        period = 400 * (PERIOD[0] + (PERIOD[1] - PERIOD[0]) * period)
        in_gap = [(x / period + phase) % 1 < GAP[0] + (GAP[1] - GAP[0]) * gap for x in range(400)]
        assert np.array_equal(line == 255, in_gap if dashed < 0.6 else [False] * 400)


@pytest.mark.parametrize("probability, dash", [(0.0, 1.0), (0.3, 0.5), (1.0, 0.2)])
def test_it_fires_at_its_probabilities(alone, probability, dash):
    drawing = strokes(24)
    for width in (0.0, 1.0):
        found = alone(Lines(probability, width, dash), batch_of(drawing, 1500)).numpy()[:, 0]
        changed = (found != drawing).any((1, 2)).mean()
        expected = probability * (1.0 if width else dash)  # that a width changes by less than a grey level is rare
        assert abs(changed - expected) <= 3 * (expected * (1 - expected) / 1500) ** 0.5 + 0.005 * probability, f"{width=}"


def test_single_drawings_are_changed_by_the_same_arithmetic_and_as_often(cfg, monkeypatch, alone):
    """The same random numbers give the same pixels; those of torch's generator are uniform."""
    drawing = strokes(32)
    step = Lines(0.8, 1.0, 0.5)
    transform, image = RandomLines(step), Image.fromarray(drawing)
    together = alone(step, batch_of(drawing, 30))
    for position in range(30):
        numbers = torch.from_numpy(uniforms(0, [position], LINE_SLOTS))
        with monkeypatch.context() as patched:
            patched.setattr(torch, "rand", lambda *_, **__: numbers)
            assert np.array_equal(np.asarray(transform(image)), together[position, 0])

    cfg.INPUT.SIZE_TRAIN = [32, 32]
    cfg.INPUT.LINES.update({"ENABLED": True, "PROB": 0.4, "WIDTH": 2.0})
    transform, darker, changed = build_train_transform(cfg), 0, 0
    for position in range(400):
        with seeded(position_seed(1, position)):
            found = transform(image)[0].numpy()
        changed += (found != drawing).any()
        darker += (found < drawing).any()
    assert stats.binomtest(int(changed), 400, 0.4).pvalue > 1e-3
    assert stats.binomtest(int(darker), int(changed), 0.5).pvalue > 1e-3
    assert np.array_equal(np.asarray(image), drawing)
