"""Transforms against PIL and NumPy."""

import numpy as np
import pytest
import torch
from PIL import Image

from fastpatent.data.seeding import seeded
from fastpatent.data.transforms import build_test_transform, build_train_transform
from fastpatent.errors import ConfigError


def sheet(height=90, width=60):
    """A line drawing with no symmetry, mode L."""
    pixels = np.full((height, width), 255, np.uint8)
    pixels[10:14, 5:50] = 0
    pixels[20:80, 12:15] = 0
    pixels[np.arange(20, 60), np.arange(15, 55)] = 0
    return Image.fromarray(pixels)


def run(transform, drawing, seed):
    with seeded(seed):
        return transform(drawing)


@pytest.fixture
def square(cfg):
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = [32, 32]
    return cfg


@pytest.mark.parametrize("size", [[32, 32], [24, 40], [200, 170]])
@pytest.mark.parametrize("drawing", [(90, 60), (1, 1), (3, 700), (2000, 1500)])
@pytest.mark.parametrize("build", [build_train_transform, build_test_transform])
def test_resize_is_pils_bicubic(cfg, size, drawing, build):
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = size
    image = sheet(*drawing) if drawing == (90, 60) else Image.effect_noise(drawing[::-1], 90)
    truth = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BICUBIC))
    result = build(cfg)(image)
    assert result.dtype == torch.uint8 and result.shape == (1, *size)
    np.testing.assert_array_equal(result[0].numpy(), truth)


@pytest.mark.parametrize(
    "drawing, box",
    [
        ((90, 45), (0, 8, 32, 24)),
        ((45, 90), (8, 0, 24, 32)),
        ((3, 3), (0, 0, 32, 32)),
        ((1, 900), (15, 0, 16, 32)),
    ],
)
def test_keep_aspect_fits_on_white_paper(square, drawing, box):
    square.INPUT.KEEP_ASPECT = True
    image = Image.effect_noise(drawing[::-1], 90)
    top, left, bottom, right = box
    truth = np.full((32, 32), 255, np.uint8)
    truth[top:bottom, left:right] = np.asarray(image.resize((right - left, bottom - top), Image.Resampling.BICUBIC))
    for build in (build_train_transform, build_test_transform):
        np.testing.assert_array_equal(build(square)(image)[0].numpy(), truth)


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_padding_and_crop_is_a_window_of_the_padded_drawing(square, value, mode):
    square.INPUT.PADDING.ENABLED, square.INPUT.PADDING.VALUE, square.INPUT.PADDING.MODE = True, value, mode
    square.INPUT.PADDING.SIZE = 4
    transform = build_train_transform(square)
    drawing = Image.effect_noise((32, 32), 90)
    constant = {"constant_values": value} if mode == "constant" else {}
    padded = np.pad(np.asarray(drawing), 4, mode=mode, **constant)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (32, 32))
    seen = set()
    for seed in range(300):
        matches = np.argwhere((windows == run(transform, drawing, seed)[0].numpy()).all((2, 3)))
        assert len(matches) == 1
        seen.add(tuple(matches[0]))
    assert {row for row, _ in seen} == {column for _, column in seen} == set(range(9))


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_flip(square, probability):
    square.INPUT.FLIP.ENABLED, square.INPUT.FLIP.PROB = True, probability
    transform = build_train_transform(square)
    plain = build_test_transform(square)(sheet())
    flipped = [torch.equal(run(transform, sheet(), seed), plain.flip(2)) for seed in range(200)]
    kept = [torch.equal(run(transform, sheet(), seed), plain) for seed in range(200)]
    assert all(one != other for one, other in zip(flipped, kept))
    assert abs(np.mean(flipped) - probability) < 4 * (probability * (1 - probability) / 200) ** 0.5 + 1e-9


@pytest.mark.parametrize("value, grey", [([123.675, 116.28, 103.53], 114), ([255, 255, 255], 255), ([0.0], 0)])
def test_random_erasing_writes_one_rectangle_of_the_mean(square, value, grey):
    square.INPUT.REA.ENABLED, square.INPUT.REA.PROB, square.INPUT.REA.VALUE = True, 1.0, value
    transform = build_train_transform(square)
    paper = Image.new("L", (32, 32), 77)
    areas = []
    for seed in range(100):
        changed = run(transform, paper, seed)[0].numpy()
        rows, columns = np.nonzero(changed != 77)
        assert (changed[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] == grey).all()
        areas.append(len(rows) / 1024)
    assert 0.015 < min(areas) and 0.25 < max(areas) < 0.36


def test_random_erasing_fires_at_its_probability(square):
    square.INPUT.REA.ENABLED, square.INPUT.REA.PROB = True, 0.5
    transform = build_train_transform(square)
    paper = Image.new("L", (32, 32), 77)
    fired = np.mean([(run(transform, paper, seed) != 77).any().item() for seed in range(400)])
    assert abs(fired - 0.5) < 0.1


def test_auto_augment_comes_before_the_resize_and_at_its_probability(square):
    square.INPUT.AUTOAUG.ENABLED, square.INPUT.AUTOAUG.PROB = True, 0.1
    transform = build_train_transform(square)
    plain = build_test_transform(square)(sheet())
    changed = [not torch.equal(run(transform, sheet(), seed), plain) for seed in range(400)]
    assert 0.03 < np.mean(changed) < 0.16  # some policies leave a black and white drawing as it is
    assert [type(step).__name__ for step in transform.transforms] == ["RandomApply", "Resize", "ToTensor"]


def test_what_a_turn_uncovers_has_the_padding_value(square):
    square.INPUT.AUTOAUG.ENABLED, square.INPUT.AUTOAUG.PROB, square.INPUT.AFFINE.ENABLED = True, 1.0, True
    paper = Image.new("L", (60, 60), 255)
    square.INPUT.PADDING.VALUE = 255
    white = build_train_transform(square)
    square.INPUT.PADDING.VALUE = 0
    black = build_train_transform(square)
    corners = [(run(white, paper, seed)[0, 0, 0].item(), run(black, paper, seed)[0, 0, 0].item()) for seed in range(60)]
    assert sum(one > 200 and other < 60 for one, other in corners) > 20


@pytest.mark.parametrize("name", ["CJ", "AUGMIX", "AFFINE", "CROP"])
def test_each_augmentation_is_seeded_and_changes_something(square, name):
    square.INPUT[name].ENABLED = True
    if name in ("CJ", "AUGMIX"):
        square.INPUT[name].PROB = 1.0
    if name == "CROP":
        square.INPUT.CROP.SIZE = [28, 20]
    transform = build_train_transform(square)
    grey = Image.effect_noise((50, 70), 60)
    first = [run(transform, grey, seed) for seed in range(8)]
    assert all(torch.equal(one, run(transform, grey, seed)) for seed, one in enumerate(first))
    assert len({one.numpy().tobytes() for one in first}) > 4
    assert first[0].dtype == torch.uint8 and first[0].shape == ((1, 28, 20) if name == "CROP" else (1, 32, 32))


def test_order_of_everything(square):
    for name in ("AUTOAUG", "CROP", "PADDING", "FLIP", "CJ", "AFFINE", "AUGMIX", "REA"):
        square.INPUT[name].ENABLED = True
    steps = [type(step).__name__ for step in build_train_transform(square).transforms]
    assert steps == [
        "RandomApply",
        "Resize",
        "RandomResizedCrop",
        "RandomCrop",
        "RandomHorizontalFlip",
        "RandomApply",
        "RandomAffine",
        "RandomApply",
        "ToTensor",
        "RandomErasing",
    ]
    assert run(build_train_transform(square), sheet(), 0).shape == (1, 32, 32)


@pytest.mark.parametrize("size", [[32], [0, 32], [1, 2, 3]])
def test_sizes_that_are_none(cfg, size):
    cfg.INPUT.SIZE_TEST = size
    with pytest.raises(ConfigError, match="INPUT.SIZE_TEST"):
        build_test_transform(cfg)
