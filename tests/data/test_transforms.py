"""Transforms against PIL and NumPy."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torchvision.transforms import CenterCrop
from torchvision.transforms.v2.functional import gaussian_blur, pil_to_tensor

from fastpatent.data.seeding import seeded
from fastpatent.data.transforms import build_resize, build_test_transform, build_train_transform
from fastpatent.errors import ConfigError

KEYS = ("SIZE_TRAIN", "SIZE_TEST")


def sheet(side=32):
    """A line drawing with no symmetry, mode L."""
    pixels = np.full((side, side), 255, np.uint8)
    pixels[3:5, 5:25] = 0
    pixels[7:28, 4:6] = 0
    pixels[np.arange(8, 28), np.arange(8, 28)] = 0
    return Image.fromarray(pixels)


def run(transform, drawing, seed):
    with seeded(seed):
        return transform(drawing)


@pytest.fixture
def square(cfg):
    cfg.INPUT.SIZE_TRAIN = cfg.INPUT.SIZE_TEST = [32, 32]
    return cfg


RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@pytest.mark.parametrize("drawing", [(90, 60), (1, 1), (3, 700), (2000, 1500)])
def test_resize_is_pils_along_rows_and_then_columns(cfg, drawing):
    assert cfg.INPUT.INTERPOLATION == "bicubic"
    image = Image.effect_noise(drawing[::-1], 90)
    for name, resampling in RESAMPLING.items():
        for height, width in ((32, 32), (24, 40), (200, 170)):
            truth = np.asarray(image.resize((width, image.height), resampling).resize((width, height), resampling))
            for key in KEYS:
                cfg.INPUT[key], cfg.INPUT.INTERPOLATION = [height, width], name
                result = build_resize(cfg, key)(image)
                assert result.mode == "L"
                np.testing.assert_array_equal(np.asarray(result), truth, err_msg=f"{key=}, {name=}, {height=}, {width=}")


def test_keep_aspect_fits_on_white_paper(square):
    boxes = {(90, 45): (0, 8, 32, 24), (45, 90): (8, 0, 24, 32), (3, 3): (0, 0, 32, 32), (1, 900): (15, 0, 16, 32)}
    square.INPUT.KEEP_ASPECT = True
    for drawing, (top, left, bottom, right) in boxes.items():
        image = Image.effect_noise(drawing[::-1], 90)
        for name, resampling in RESAMPLING.items():
            truth = np.full((32, 32), 255, np.uint8)
            truth[top:bottom, left:right] = np.asarray(image.resize((right - left, bottom - top), resampling))
            for key in KEYS:
                square.INPUT.INTERPOLATION = name
                result = np.asarray(build_resize(square, key)(image))
                np.testing.assert_array_equal(result, truth, err_msg=f"{drawing=}, {name=}, {key=}")


def shorter_side_to(side, image):
    """uint8 [height, width]: PIL's bicubic resize to a shorter side, the longer one rounded down."""
    width, height = image.size
    wanted = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
    return np.asarray(image.resize(wanted, Image.Resampling.BICUBIC))


SHEETS = [(90, 61), (61, 90), (32, 32), (1, 1), (3, 700), (700, 3), (1501, 2000), (33, 32), (35, 32)]


@pytest.mark.parametrize("size", [[32, 32], [24, 40], [41, 24], [301, 33]])
def test_crop_in_tests_is_the_middle_of_the_drawing_on_white(cfg, size):
    cfg.INPUT.SIZE_TEST, cfg.INPUT.KEEP_ASPECT, cfg.INPUT.FIT = size, True, "crop"
    for drawing in SHEETS:
        image = Image.effect_noise(drawing[::-1], 90)
        resized = shorter_side_to(min(size), image)
        lacking = [max(wanted - found, 0) for wanted, found in zip(size, resized.shape)]
        padded = np.pad(resized, [(side // 2, side - side // 2) for side in lacking], constant_values=255)
        top, left = (round((found - wanted) / 2) for wanted, found in zip(size, padded.shape))
        truth = padded[top : top + size[0], left : left + size[1]]
        result = build_resize(cfg, "SIZE_TEST")(image)
        assert result.mode == "L"
        np.testing.assert_array_equal(np.asarray(result), truth, err_msg=f"{drawing=}")


@pytest.mark.parametrize("size", [[32, 32], [24, 40], [40, 24]])
def test_crop_in_training_is_a_random_window_of_the_drawing_on_white(cfg, size):
    for drawing in [(90, 61), (61, 90), (5, 30), (20, 20)]:
        cfg.INPUT.SIZE_TRAIN, cfg.INPUT.KEEP_ASPECT, cfg.INPUT.FIT = size, True, "crop"
        image = Image.effect_noise(drawing[::-1], 90)
        resized = shorter_side_to(min(size), image)
        given = build_resize(cfg, "SIZE_TRAIN")(image)
        np.testing.assert_array_equal(np.asarray(given), resized, err_msg=f"{drawing=}")
        lacking = [max(wanted - found, 0) for wanted, found in zip(size, resized.shape)]
        padded = np.pad(resized, [(side, side) for side in lacking], constant_values=255)
        windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(size))
        transform, seen = build_train_transform(cfg), set()
        places = np.prod(windows.shape[:2])
        for seed in range(min(10 * places, 300)):
            matches = np.argwhere((windows == run(transform, given, seed)[0].numpy()).all((2, 3)))
            assert len(matches) == 1, f"{drawing=}"
            seen.add(tuple(matches[0]))
        assert len(seen) == places or len(seen) > 60, f"{drawing=}"


def test_the_window_comes_before_everything_else(square):
    square.INPUT.KEEP_ASPECT, square.INPUT.FIT = True, "crop"
    square.INPUT.AUTOAUG.ENABLED = square.INPUT.PADDING.ENABLED = True
    steps = build_train_transform(square)
    assert [type(step).__name__ for step in steps] == ["RandomCrop", "RandomPolicy", "RandomCrop", "ToTensor"]
    assert steps[0].padding is None and steps[0].fill == 255 and steps[2].padding
    square.INPUT.KEEP_ASPECT = False
    assert len(build_train_transform(square)) == 3


def test_shorter_cuts_nothing_and_native_changes_nothing(cfg):
    cfg.INPUT.KEEP_ASPECT = True
    for drawing in SHEETS:
        image = Image.effect_noise(drawing[::-1], 90)
        for size in ([32, 32], [24, 40]):
            cfg.INPUT.SIZE_TEST = size
            for fit, truth in (("shorter", shorter_side_to(min(size), image)), ("native", np.asarray(image))):
                cfg.INPUT.FIT = fit
                result = np.asarray(build_resize(cfg, "SIZE_TEST")(image))
                np.testing.assert_array_equal(result, truth, err_msg=f"{drawing=}, {size=}, {fit=}")


def test_thin_strips_are_bounded(cfg):
    """Up to 16,384 pixels they are exact, and no longer in either direction."""
    cfg.INPUT.KEEP_ASPECT, cfg.INPUT.SIZE_TEST, cfg.INPUT.SIZE_TRAIN = True, [32, 32], [32, 32]
    for fit, key in (("shorter", "SIZE_TEST"), ("crop", "SIZE_TRAIN")):
        cfg.INPUT.FIT = fit
        resize = build_resize(cfg, key)
        exact = Image.effect_noise((1536, 3), 90)
        np.testing.assert_array_equal(np.asarray(resize(exact)), shorter_side_to(32, exact))
        assert resize(Image.new("L", (30_000, 2))).size == (16_384, 32)
        assert resize(Image.new("L", (2, 30_000))).size == (32, 16_384)


@pytest.mark.parametrize("fit", ["shorter", "native"])
def test_images_of_several_sizes_are_refused_in_training(cfg, fit):
    cfg.INPUT.KEEP_ASPECT, cfg.INPUT.FIT = True, fit
    with pytest.raises(ConfigError, match=f"INPUT.FIT: {fit} "):
        build_resize(cfg, "SIZE_TRAIN")


def test_without_keep_aspect_fit_is_without_effect(square):
    square.INPUT.FIT, image = "native", sheet(90)
    truth = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC))
    for key in ("SIZE_TRAIN", "SIZE_TEST"):
        np.testing.assert_array_equal(np.asarray(build_resize(square, key)(image)), truth)


def test_nothing_enabled_leaves_a_drawing_as_it_is(square):
    drawing = Image.effect_noise((32, 32), 90)
    result = build_train_transform(square)(drawing)
    assert result.dtype == torch.uint8 and result.shape == (1, 32, 32)
    np.testing.assert_array_equal(result[0].numpy(), np.asarray(drawing))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_padding_and_crop_is_a_window_of_the_padded_drawing(square, mode):
    for value in [0, 255]:
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
            assert len(matches) == 1, f"{value=}"
            seen.add(tuple(matches[0]))
        assert {row for row, _ in seen} == {column for _, column in seen} == set(range(9)), f"{value=}"


def test_flip(square):
    for probability in [0.0, 0.5, 1.0]:
        square.INPUT.FLIP.ENABLED, square.INPUT.FLIP.PROB = True, probability
        transform = build_train_transform(square)
        plain = pil_to_tensor(sheet())
        flipped = [torch.equal(run(transform, sheet(), seed), plain.flip(2)) for seed in range(200)]
        same = [torch.equal(run(transform, sheet(), seed), plain) for seed in range(200)]
        assert all(one != other for one, other in zip(flipped, same)), f"{probability=}"
        assert abs(np.mean(flipped) - probability) < 4 * (probability * (1 - probability) / 200) ** 0.5 + 1e-9, (
            f"{probability=}"
        )


def test_random_erasing_writes_one_rectangle_of_the_mean(square):
    for value, grey in [([123.675, 116.28, 103.53], 114), ([255, 255, 255], 255), ([0.0], 0)]:
        square.INPUT.REA.ENABLED, square.INPUT.REA.PROB, square.INPUT.REA.VALUE = True, 1.0, value
        transform = build_train_transform(square)
        paper = Image.new("L", (32, 32), 77)
        areas = []
        for seed in range(100):
            changed = run(transform, paper, seed)[0].numpy()
            rows, columns = np.nonzero(changed != 77)
            assert (changed[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] == grey).all(), (
                f"{value=}, {grey=}"
            )
            areas.append(len(rows) / 1024)
        assert 0.015 < min(areas) and 0.25 < max(areas) < 0.36, f"{value=}, {grey=}"


def test_random_erasing_takes_its_share_of_the_area(square):
    for area in [[0.02, 0.33], [0.22, 0.33], [0.5, 0.5]]:
        square.INPUT.REA.ENABLED, square.INPUT.REA.PROB, square.INPUT.REA.AREA = True, 1.0, area
        transform, paper = build_train_transform(square), Image.new("L", (32, 32), 77)
        shares = np.array([(run(transform, paper, seed) != 77).float().mean().item() for seed in range(200)])
        shares = shares[shares > 0]  # ten attempts may all be too long
        assert len(shares) > 100 and area[0] - 0.02 < shares.min() and shares.max() < area[1] + 0.02, f"{area=}"
        assert abs(shares.mean() - sum(area) / 2) < 0.03, f"{area=}"


def test_random_erasing_fires_at_its_probability(square):
    square.INPUT.REA.ENABLED, square.INPUT.REA.PROB = True, 0.5
    transform = build_train_transform(square)
    paper = Image.new("L", (32, 32), 77)
    fired = np.mean([(run(transform, paper, seed) != 77).any().item() for seed in range(400)])
    assert abs(fired - 0.5) < 0.1


def test_auto_augment_at_its_probability(square):
    square.INPUT.AUTOAUG.ENABLED, square.INPUT.AUTOAUG.PROB = True, 0.1
    transform = build_train_transform(square)
    plain = pil_to_tensor(sheet())
    changed = [not torch.equal(run(transform, sheet(), seed), plain) for seed in range(400)]
    assert 0.03 < np.mean(changed) < 0.16  # some policies do not change a black and white image


@pytest.mark.parametrize("step, fill", [("AFFINE", "PADDING.VALUE"), ("AUTOAUG", "AUTOAUG.FILL")])
def test_corners_that_a_rotation_uncovers_are_filled(square, step, fill):
    square.INPUT[step].ENABLED, square.INPUT.AUTOAUG.PROB = True, 1.0
    paper, corners = Image.new("L", (32, 32), 255), []
    for value in (255, 128):
        square.INPUT.merge_from_list([fill, value])
        transform = build_train_transform(square)
        corners.append([run(transform, paper, seed)[0, 0, 0].item() for seed in range(60)])
    assert sum(white == 255 and grey == 128 for white, grey in zip(*corners)) > 4


@pytest.mark.parametrize("size", [[20, 28], [32, 32], [40, 20], [45, 61]])
def test_with_crop_the_centre_of_a_test_image_is_taken(square, size):
    """As fast-reid does by torchvision, which pads smaller images with black."""
    assert build_test_transform(square) is None
    square.INPUT.CROP.ENABLED, square.INPUT.CROP.SIZE = True, size
    for drawing in (sheet(), Image.effect_noise((37, 24), 90)):
        expected = pil_to_tensor(CenterCrop(size)(drawing))
        assert torch.equal(build_test_transform(square)(drawing), expected)
    square.INPUT.CROP.SIZE, square.INPUT.PADDING.VALUE = [40, 20], 200
    padded = np.pad(np.zeros((32, 20), np.uint8), ((4, 4), (0, 0)), constant_values=200)
    np.testing.assert_array_equal(build_test_transform(square)(Image.new("L", (32, 32)))[0], padded)


def test_affine_takes_the_nearest_pixel(square):
    """fast-reid leaves the filter to torchvision's default: a black and white image stays so."""
    square.INPUT.AFFINE.ENABLED = True
    drawing = Image.effect_noise((32, 32), 90).point(lambda level: 255 * (level > 128))
    changed = [run(build_train_transform(square), drawing, seed) for seed in range(8)]
    assert all(set(image.unique().tolist()) == {0, 255} for image in changed)


@pytest.mark.parametrize("name", ["CJ", "AUGMIX", "AFFINE", "CROP"])
def test_each_augmentation_is_seeded_and_changes_something(square, name):
    square.INPUT[name].ENABLED = True
    if name in ("CJ", "AUGMIX"):
        square.INPUT[name].PROB = 1.0
    if name == "CROP":
        square.INPUT.CROP.SIZE = [28, 20]
    transform = build_train_transform(square)
    grey = Image.effect_noise((32, 32), 60)
    first = [run(transform, grey, seed) for seed in range(8)]
    assert all(torch.equal(one, run(transform, grey, seed)) for seed, one in enumerate(first))
    assert len({one.numpy().tobytes() for one in first}) > 4
    assert first[0].dtype == torch.uint8 and first[0].shape == ((1, 28, 20) if name == "CROP" else (1, 32, 32))


def test_order_of_everything(square):
    for name in ("LINES", "AUTOAUG", "CROP", "PADDING", "FLIP", "ROTATE", "CJ", "AFFINE", "AUGMIX", "BLUR", "REA"):
        square.INPUT[name].ENABLED = True
    steps = [type(step).__name__ for step in build_train_transform(square)]
    assert steps == [
        "RandomLines",
        "RandomPolicy",
        "RandomResizedCrop",
        "RandomCrop",
        "RandomHorizontalFlip",
        "RandomApply",
        "RandomApply",
        "RandomAffine",
        "RandomApply",
        "ToTensor",
        "RandomApply",
        "RandomErasing",
    ]
    turn, jitter = (step.transforms[0] for step in build_train_transform(square)[5:7])
    assert (type(turn).__name__, type(jitter).__name__) == ("RandomRotation", "ColorJitter")
    assert run(build_train_transform(square), sheet(), 0).shape == (1, 32, 32)


def test_rotation_is_pils_by_a_uniform_angle(square):
    for degrees in [10.0, 45.0]:
        for value in [0, 255]:
            square.INPUT.ROTATE.merge_from_list(["ENABLED", True, "PROB", 1.0, "DEGREES", degrees])
            square.INPUT.PADDING.VALUE = value
            transform, drawing = build_train_transform(square), sheet()
            angles = np.linspace(-degrees, degrees, 401)
            turned = np.stack(
                [
                    np.asarray(drawing.rotate(angle, Image.Resampling.BILINEAR, fillcolor=value), dtype=int)
                    for angle in angles
                ]
            )
            found = []
            for seed in range(120):
                away = np.abs(turned - run(transform, drawing, seed)[0].numpy()).mean((1, 2))
                assert away.min() < 1, f"{degrees=}, {value=}"
                found.append(angles[away.argmin()] / degrees)
            assert stats.kstest(found, "uniform", (-1, 2)).pvalue > 1e-4, f"{degrees=}, {value=}"


def test_rotation_fires_at_its_probability(square):
    for probability in [0.0, 0.3, 1.0]:
        square.INPUT.ROTATE.merge_from_list(["ENABLED", True, "PROB", probability, "DEGREES", 30.0])
        transform = build_train_transform(square)
        fired = np.mean([not torch.equal(run(transform, sheet(), seed), pil_to_tensor(sheet())) for seed in range(400)])
        assert abs(fired - probability) < 4 * (probability * (1 - probability) / 400) ** 0.5 + 0.01, f"{probability=}"


def test_blur_is_a_gaussian_of_three_sigma_to_either_side(square):
    for sigma, kernel in [([0.1, 1.0], 7), ([1.5, 1.5], 11), ([0.2, 0.3], 3)]:
        square.INPUT.BLUR.ENABLED, square.INPUT.BLUR.PROB, square.INPUT.BLUR.SIGMA = True, 1.0, sigma
        transform = build_train_transform(square)
        drawing = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8))
        found = [run(transform, drawing, seed).int() for seed in range(20)]
        possible = [gaussian_blur(pil_to_tensor(drawing), kernel, strength).int() for strength in np.linspace(*sigma, 181)]
        assert all(min((one - other).abs().max() for other in possible) <= 1 for one in found), f"{sigma=}, {kernel=}"
        assert (len({one.numpy().tobytes() for one in found}) > 1) == (sigma[0] < sigma[1]), f"{sigma=}, {kernel=}"


def test_blur_fires_at_its_probability(square):
    for probability in [0.0, 0.3, 1.0]:
        square.INPUT.BLUR.ENABLED, square.INPUT.BLUR.PROB, square.INPUT.BLUR.SIGMA = True, probability, [0.8, 1.0]
        transform = build_train_transform(square)
        fired = np.mean([not torch.equal(run(transform, sheet(), seed), pil_to_tensor(sheet())) for seed in range(400)])
        assert abs(fired - probability) < 4 * (probability * (1 - probability) / 400) ** 0.5 + 1e-9, f"{probability=}"


@pytest.mark.parametrize(
    "enabled, key",
    [([], "SIZE_TRAIN"), (["CROP"], "CROP.SIZE"), (["CROP", "PADDING"], "SIZE_TRAIN"), (["PADDING"], "SIZE_TRAIN")],
)
def test_a_blur_wider_than_the_drawing_is_refused(cfg, enabled, key):
    for name in ["BLUR", *enabled]:
        cfg.INPUT[name].ENABLED = True
    cfg.INPUT.BLUR.SIGMA, cfg.INPUT.SIZE_TRAIN, cfg.INPUT.CROP.SIZE = [1.0, 8.0], [40, 40], [40, 40]
    build_train_transform(cfg)(Image.new("L", (40, 40)))
    cfg.INPUT.merge_from_list([key, [24, 40]])
    with pytest.raises(ConfigError, match=rf"INPUT.BLUR.SIGMA: 8.0 .*INPUT.{key} \[24, 40\]"):
        build_train_transform(cfg)
