"""Augmentation of single images and of batches has the same distribution: each step, and all steps together.

Seeds are fixed, so the p-values are too. Without a fault a p-value falls below 1e-3 for one in a thousand seeds; the last
test shows that it does when a probability is wrong by a few per cent.
"""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from fastpatent.config import get_cfg
from fastpatent.data.augment.batch import build_batch_augmentation
from fastpatent.data.augment.moves import move, source_matrix, sources
from fastpatent.data.augment.policies import MOVES, Operation, Policies, apply
from fastpatent.data.seeding import position_seed, seeded
from fastpatent.data.transforms import build_train_transform

pytestmark = pytest.mark.slow

SIDE, COUNT, LIMIT = 32, 4000, 1e-3


def line_drawing():
    """Strokes and a shaded area in the left half, on grey; uint8 [SIDE, SIDE]."""
    drawing = np.full((SIDE, SIDE), 220, np.uint8)
    drawing[1:3, 1:15] = 20
    drawing[4:, 1:3] = 45
    drawing[4:, 4:16] = np.random.default_rng(1).integers(60, 190, (SIDE - 4, 12))
    return drawing


def settings(**inputs):
    """Configuration with some steps of INPUT enabled, each given as a dict of its keys."""
    cfg = get_cfg()
    cfg.INPUT.SIZE_TRAIN = [SIDE, SIDE]
    for name, values in inputs.items():
        cfg.INPUT[name].update({"ENABLED": True, **values})
    return cfg


def drawing_by_drawing(cfg, drawing, count):
    """Augment one image at positions 0 to count - 1 singly; uint8 array [count, SIDE, SIDE]."""
    transform, image, found = build_train_transform(cfg), Image.fromarray(drawing), []
    for position in range(count):
        with seeded(position_seed(cfg.SEED, position)):
            found.append(transform(image)[0].numpy())
    return np.stack(found)


def in_batches(cfg, drawing, count):
    """The same with batch augmentation."""
    augment, found = build_batch_augmentation(cfg), []
    for positions in torch.arange(count).split(1000):
        images = torch.from_numpy(drawing).expand(len(positions), 1, SIDE, SIDE)
        found.append(augment(images, positions)[:, 0].numpy())
    return np.concatenate(found)


PATHS = (drawing_by_drawing, in_batches)


def compare(one, other):
    """Return the p-value of two samples having the same distribution: of a table for bools, else Kolmogorov-Smirnov."""
    if one.dtype == bool:
        table = np.array([[side.sum(), (~side).sum()] for side in (one, other)])
        return stats.fisher_exact(table).pvalue
    return stats.ks_2samp(one, other).pvalue


@pytest.mark.parametrize("path", PATHS)
def test_windows_are_equally_likely(path):
    cfg = settings(PADDING={"SIZE": 4, "VALUE": 255})
    noise = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE), np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(noise, 4, constant_values=255), (SIDE, SIDE))
    places = {window.tobytes(): place for place, window in enumerate(windows.reshape(-1, SIDE, SIDE))}
    counts = np.bincount([places[image.tobytes()] for image in path(cfg, noise, COUNT)], minlength=81)
    assert stats.chisquare(counts).pvalue > LIMIT
    for axis in (0, 1):
        assert stats.chisquare(counts.reshape(9, 9).sum(axis)).pvalue > LIMIT


@pytest.mark.parametrize("path", PATHS)
def test_half_are_mirrored(path):
    drawing = line_drawing()
    found = path(settings(FLIP={"PROB": 0.5}), drawing, COUNT)
    mirrored = (found == drawing[:, ::-1]).all((1, 2))
    assert (mirrored ^ (found == drawing).all((1, 2))).all()
    assert stats.binomtest(int(mirrored.sum()), COUNT, 0.5).pvalue > LIMIT


def rectangle(images):
    """Return the black rectangles erased in white images: whether present, area, log of its shape, place of its corner."""
    black = images == 0
    rows, columns = black.any(2), black.any(1)
    painted = rows.any(1)
    height, width = rows[painted].sum(1), columns[painted].sum(1)
    assert (black[painted].sum((1, 2)) == height * width).all()
    top, left = rows[painted].argmax(1), columns[painted].argmax(1)
    noise = np.random.default_rng(0).uniform(size=len(top))  # turns few integer values into continuous ones
    return {
        "painted": painted,
        "area": height * width,
        "shape": np.log(height / width),
        "top": (top + noise) / (SIDE - height + 1),
        "left": (left + noise) / (SIDE - width + 1),
    }


def test_rectangles_have_the_same_areas_shapes_and_places():
    cfg = settings(REA={"PROB": 0.5, "VALUE": [0.0]})
    theirs, ours = (rectangle(path(cfg, np.full((SIDE, SIDE), 255, np.uint8), COUNT)) for path in PATHS)
    assert {name: compare(theirs[name], ours[name]) for name in ours if compare(theirs[name], ours[name]) <= LIMIT} == {}
    for side in (theirs, ours):
        assert stats.binomtest(int(side["painted"].sum()), COUNT, 0.5).pvalue > LIMIT
        assert stats.kstest(side["top"], "uniform").pvalue > LIMIT and stats.kstest(side["left"], "uniform").pvalue > LIMIT


def test_blurs_have_the_same_strengths():
    """The level of a single black pixel after the blur gives its strength."""
    cfg = settings(BLUR={"PROB": 0.5, "SIGMA": [0.5, 1.0]})
    drawing = np.full((SIDE, SIDE), 255, np.uint8)
    drawing[SIDE // 2, SIDE // 2] = 0
    theirs, ours = (path(cfg, drawing, COUNT)[:, SIDE // 2, SIDE // 2] for path in PATHS)
    for side in (theirs, ours):
        assert stats.binomtest(int((side > 0).sum()), COUNT, 0.5).pvalue > LIMIT
    assert compare(theirs[theirs > 0], ours[ours > 0]) > LIMIT


def on_a_batch(operation, image, fill):
    """`apply` for a tensor uint8 [1, SIDE, SIDE], rotations and shears among its operations."""
    if operation.name not in MOVES:
        return apply(operation, image, fill)
    matrix = torch.tensor([source_matrix(operation.name, operation.magnitude, SIDE, SIDE)], dtype=torch.float64)
    return move(image[None], sources(matrix, SIDE, SIDE), operation.bicubic, fill)[0]


def outcomes(drawing, probability, operate):
    """Return {possible output of AutoAugment: its probability}, from every branch of every policy."""
    found = Counter()

    def follow(image, policy, chance):
        if not policy:
            found[np.asarray(image).tobytes()] += chance
            return
        (name, applies, level), *rest = policy
        variants = [(sign, bicubic) for sign in (False, True) for bicubic in (False, True)] if name in MOVES else [()]
        follow(image, rest, chance * (1 - applies))
        for variant in variants:
            changed = image if name == "Color" else operate(Operation(name, level, *variant), image, 255)
            follow(changed, rest, chance * applies / len(variants))

    table = Policies().table
    follow(drawing, (), 1 - probability)
    for policy in table:
        follow(drawing, policy, probability / len(table))
    return found


@pytest.mark.parametrize(
    "path, kind, operate",
    [
        (drawing_by_drawing, Image.fromarray, apply),
        (in_batches, lambda pixels: torch.from_numpy(pixels)[None], on_a_batch),
    ],
)
@pytest.mark.parametrize("probability", [0.1, 1.0])
def test_every_outcome_of_auto_augment_has_its_probability(path, kind, operate, probability):
    drawing = line_drawing()
    expected = outcomes(kind(drawing), probability, operate)
    cfg = settings(AUTOAUG={"PROB": probability, "FILL": 255})
    counts = Counter(image.tobytes() for image in path(cfg, drawing, COUNT))
    assert abs(sum(expected.values()) - 1) < 1e-9 and len(expected) > 40
    assert not set(counts) - {image for image, chance in expected.items() if chance > 0}
    likely = [image for image, chance in expected.items() if chance * COUNT >= 5]
    seen, meant = ([values[image] for image in likely] for values in (counts, expected))
    seen, meant = np.array([*seen, COUNT - sum(seen)]), np.array([*meant, 1 - sum(meant)]) * COUNT
    assert stats.chisquare(seen[meant > 0], meant[meant > 0]).pvalue > LIMIT


def turned(images):
    """Where a bright square right of the centre lies after a rotation: rows below the centre."""
    bright = images.astype(np.float64)
    return (bright * np.arange(SIDE)[:, None]).sum((1, 2)) / bright.sum((1, 2)) - (SIDE - 1) / 2


def test_rotations_have_the_same_angles():
    cfg = settings(ROTATE={"PROB": 0.5, "DEGREES": 20.0}, PADDING={"ENABLED": False, "VALUE": 0})
    drawing = np.zeros((SIDE, SIDE), np.uint8)
    drawing[14:18, 24:28] = 255
    found = [path(cfg, drawing, COUNT) for path in PATHS]
    moved = [(images != drawing).any((1, 2)) for images in found]
    for side in moved:
        assert stats.binomtest(int(side.sum()), COUNT, 0.5).pvalue > LIMIT
    rises = [turned(images[side]) for images, side in zip(found, moved)]
    assert compare(*rises) > LIMIT
    for rise in rises:
        angles = np.degrees(np.arcsin(rise / 10))  # the square is 10 pixels from the centre
        assert stats.kstest(angles, "uniform", (-20, 40)).pvalue > LIMIT


def test_jitters_have_the_same_strengths_and_orders():
    """Two grey levels of an image give both factors; where brightness saturates, their order too."""
    cfg = settings(CJ={"PROB": 0.5, "BRIGHTNESS": 0.6, "CONTRAST": 0.5})
    drawing = np.full((SIDE, SIDE), 250, np.uint8)
    drawing[8:] = 60
    theirs, ours = (path(cfg, drawing, COUNT)[:, [0, -1], 0] for path in PATHS)
    for side in (theirs, ours):
        unchanged = (side == [250, 60]).all(1)
        assert stats.binomtest(int(unchanged.sum()), COUNT, 0.5).pvalue > LIMIT
    for values in (lambda side: side[:, 0], lambda side: side[:, 1], lambda side: side[:, 0] - side[:, 1].astype(float)):
        assert compare(values(theirs), values(ours)) > LIMIT
    assert compare(*((side[:, 0] == 255) for side in (theirs, ours))) > LIMIT


EVERYTHING = {
    "AUTOAUG": {"PROB": 0.5},
    "PADDING": {"SIZE": 4, "VALUE": 200},
    "FLIP": {"PROB": 0.5},
    "ROTATE": {"PROB": 0.2, "DEGREES": 10.0},
    "CJ": {"PROB": 0.2, "BRIGHTNESS": 0.2, "CONTRAST": 0.4},
    "BLUR": {"PROB": 0.5, "SIGMA": [0.4, 1.0]},
    "REA": {"PROB": 0.5, "VALUE": [10.0]},
}


def features(images):
    """Return features that depend on the augmentation of images: float or bool arrays [count]."""
    levels = images.astype(np.float32)
    painted = (images == 10).sum((1, 2))
    steps = np.abs(np.diff(levels, axis=2))
    return {
        "mean": levels.mean((1, 2)),
        "contrast": levels.std((1, 2)),
        "darkest": levels.min((1, 2)),
        "erased": painted > 18,  # 0.02 of the area is 20 pixels
        "erased pixels": painted,
        "padded rows": (images[:, :6] == 200).all(2).sum(1),
        "padded columns": (images[:, :, :6] == 200).all(1).sum(1),
        "busy side": np.median(steps[:, :, : SIDE // 2], (1, 2)) > np.median(steps[:, :, SIDE // 2 :], (1, 2)),
        "steps": steps.mean((1, 2)),
        "levels": np.array([len(np.unique(image)) for image in images]),
        "paper": np.median(levels, axis=(1, 2)) == 220,
    }


@pytest.fixture(scope="module")
def reference():
    """Features of images augmented singly, all steps enabled."""
    return features(drawing_by_drawing(settings(**EVERYTHING), line_drawing(), COUNT))


def least(reference, cfg):
    """Return the smallest p-value over all features of batches, and its name."""
    ours = features(in_batches(cfg, line_drawing(), COUNT))
    return min((compare(reference[name], ours[name]), name) for name in ours)


def test_all_steps_together(reference):
    assert least(reference, settings(**EVERYTHING))[0] > LIMIT / len(reference)


@pytest.mark.parametrize(
    "name, values",
    [
        ("AUTOAUG", {"PROB": 0.65}),
        ("PADDING", {"SIZE": 3}),
        ("PADDING", {"VALUE": 201}),
        ("FLIP", {"PROB": 0.56}),
        ("ROTATE", {"PROB": 0.3}),
        ("CJ", {"PROB": 0.4}),
        ("BLUR", {"PROB": 0.56}),
        ("BLUR", {"SIGMA": [0.4, 1.2]}),
        ("REA", {"PROB": 0.44}),
        ("REA", {"VALUE": [11.0]}),
    ],
)
def test_a_small_difference_would_be_noticed(reference, name, values):
    wrong = settings(**{**EVERYTHING, name: {**EVERYTHING[name], **values}})
    assert least(reference, wrong)[0] < LIMIT / len(reference)
