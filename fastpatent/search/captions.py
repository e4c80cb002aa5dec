"""Captions of figures on a sheet: "FIG. 5" by its first letters, in any of four directions, and numbers as "1.4".

Letters are connected parts of the ink. Their shapes, each scaled to a small square, are compared with letters that are drawn
here by strokes, of several pens and slants, plain and with serifs.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from fastpatent.synthetic.lettering import GLYPHS

SIDE = 12  # pixels of the square in which shapes are compared
PENS, SLANTS, NARROWED = (0.4, 0.8, 1.2), (0.0, 0.25), (1.0, 0.5)  # of letters 6 high and 4 wide
THICK, THIN = 1.5, 0.6  # strokes of a letter with serifs, in pens
F_ALIKE, DIGIT_ALIKE = 0.55, 0.5  # cosines of shapes
SMALLEST, LARGEST = 11, 0.12  # height of a letter: pixels, and share of the sheet's longer side
SPACE = 2.2  # between the words of a caption, in heights of its letters
LONGEST = 14  # length of a caption, likewise
MOST_LETTERS, MOST_LIKE_DIGITS = 5000, 400  # parts of their size and shape that are looked at: noise has many
MOST_DIGITS = 5  # and points, of a number without letters
ALONE = 1.0  # white around it, in heights of its digits: in a drawing of a screen it may be anything
ALIKE, LEAST = 0.36, 0.28  # product of the cosines of F and G: of a sheet's best caption, and of any
LIKE_BEST = 0.6  # of the product of a sheet's best caption: those that are read in the same direction, as one font is
REFERENCE = 0.75  # of the largest letters: smaller ones refer to another figure
EIGHT = np.ones((3, 3), bool)
Strokes = Sequence[tuple[float, Sequence[tuple[float, float]]]]
# (width in pens, polyline on a grid of 4 x 6, rows downwards)
SERIFS: dict[str, Strokes] = {
    "F": [
        (THIN, [(4.2, 1.5), (4.2, 0), (0, 0)]),
        (THICK, [(1.1, 0), (1.1, 6)]),
        (THIN, [(0, 6), (2.4, 6)]),
        (THIN, [(1, 2.9), (3.1, 2.9)]),
        (THIN, [(3.1, 2.1), (3.1, 3.7)]),
    ],
    "G": [
        (THIN, [(4, 1.7), (3.9, 0)]),
        (THIN, [(3.8, 0.9), (2.5, 0), (1.2, 0.3)]),
        (THICK, [(1.2, 0.5), (0.2, 2), (0.2, 4), (1.2, 5.5)]),
        (THIN, [(1.2, 5.7), (2.4, 6), (3.8, 5.5)]),
        (THICK, [(3.8, 5.3), (3.8, 3.4)]),
        (THIN, [(2.6, 3.3), (4.6, 3.3)]),
    ],
    "1": [(THIN, [(0, 1.2), (1.5, 0)]), (THICK, [(1.5, 0), (1.5, 6)]), (THIN, [(0.2, 6), (2.8, 6)])],
    "g": [
        (THIN, [(2.2, 0.3), (4.1, 0.3)]),
        (1, [(1.6, 0), (0.5, 0.5), (0.3, 1.4), (0.7, 2.3), (1.6, 2.6), (2.5, 2.2), (2.8, 1.3), (2.5, 0.4), (1.6, 0)]),
        (1, [(0.9, 2.5), (0.3, 3.2), (0.8, 3.8), (3.2, 4.1), (4, 4.6), (3.6, 5.5), (2.4, 6)]),
        (1, [(2.4, 6), (1, 6), (0, 5.3), (0.3, 4.5), (1, 3.9)]),
    ],
}
PLAIN = GLYPHS | {
    "g": [[(4, 0), (4, 5), (3, 6), (1, 6), (0, 5)], [(4, 1), (3, 0), (1, 0), (0, 1), (0, 3), (1, 4), (3, 4), (4, 3)]]
}


class Parts(NamedTuple):
    """The connected parts of a sheet's ink.

    Attributes:
        labels: int32 [height, width]: 0 paper, i + 1 part i.
        boxes: int64 [parts, 4]: left, top, and right and bottom, which are outside.
    """

    labels: np.ndarray
    boxes: np.ndarray


class Caption(NamedTuple):
    """A caption: how often the sheet must be turned by 90 degrees counterclockwise for it to be upright; its parts."""

    turn: int
    parts: np.ndarray


class _Found(NamedTuple):
    caption: Caption
    height: int
    alike: float


def connected_parts(ink: np.ndarray) -> Parts:
    """Return the 8-connected parts of bool [height, width]."""
    labels = np.zeros(ink.shape, np.int32)
    ndimage.label(ink, EIGHT, labels)
    boxes = np.zeros((int(labels.max(initial=0)), 4), np.int64)
    for axis, along in ((1, labels), (0, labels.T)):  # in this order of pixels; find_objects takes ten times as long
        places, others = np.nonzero(along)
        of = along[places, others] - 1
        boxes[of[::-1], axis] = places[::-1]  # of pixels of one part the one that is written last, the first, stays
        boxes[of, axis + 2] = places + 1
    return Parts(labels, boxes)


def find_captions(parts: Parts) -> list[Caption]:
    """Return the captions of a sheet; numbers without letters only where there is no other."""
    widths, heights = _sizes(parts.boxes)
    size = np.maximum(widths, heights)
    letters = np.flatnonzero((size >= SMALLEST) & (size <= max(SMALLEST, LARGEST * max(parts.labels.shape))))[:MOST_LETTERS]
    squares = _squares(parts, letters)
    for find in (_with_letters, _numbers):
        found: list[_Found] = []
        for turn in range(4):
            boxes = turned_boxes(parts.boxes, turn, parts.labels.shape)
            shapes = np.rot90(squares, turn, (1, 2)).reshape(-1, SIDE * SIDE)
            found += find(parts, boxes, letters, shapes, turn)
        if found:
            return _likely(found)
    return []


def turned_boxes(boxes: np.ndarray, turn: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return int64 [parts, 4]: where boxes lie when an image [height, width] is turned as by `np.rot90`."""
    (left, top, right, bottom), (height, width) = boxes.T, shape
    turned = (
        (left, top, right, bottom),
        (top, width - right, bottom, width - left),
        (width - right, height - bottom, width - left, height - top),
        (height - bottom, left, height - top, right),
    )
    return np.stack(turned[turn], axis=1)


def _with_letters(parts: Parts, boxes: np.ndarray, letters: np.ndarray, shapes: np.ndarray, turn: int) -> Iterator[_Found]:
    """Yield the captions that begin with F, a stem, and G or g."""
    left, top, right, bottom = boxes[letters].T
    widths, heights = _sizes(boxes[letters])
    like_f, like_capital, like_small = (_alike(shapes, letter) for letter in "FGg")
    upright = (heights >= SMALLEST) & (widths > 0.3 * heights) & (widths < 1.25 * heights)
    for f in np.flatnonzero(upright & (like_f > F_ALIKE)).tolist():
        height = int(heights[f])
        rise, sink = (top[f] - top) / height, (bottom - bottom[f]) / height  # above and below F, in its heights
        level = (np.abs(rise) < 0.12) & (np.abs(sink) < 0.12)
        if (level & (right <= left[f]) & (right > left[f] - 0.5 * height)).any():
            continue  # within a word
        after = (left > right[f] - 0.45 * height) & (left < right[f] + 1.6 * height)
        after[f] = False
        stems = np.flatnonzero(after & (rise < 0.12) & (rise > -0.45) & (np.abs(sink) < 0.12) & (widths < 0.9 * height))
        small = (rise < -0.12) & (rise > -0.45) & (sink > 0.1) & (sink < 0.5)
        alike = np.where(level, like_capital, np.where(small, like_small, 0)) * like_f[f]
        for g in np.flatnonzero(after & (alike > LEAST) & (widths > 0.3 * height)).tolist():
            middles = (left + right)[stems[stems != g]] / 2
            if ((middles > right[f] - 0.3 * height) & (middles < left[g] + 0.3 * height)).any():
                line = _line(boxes, letters[[f, g]], height)
                yield _Found(Caption(turn, line), height, float(alike[g]))
                break


def _numbers(parts: Parts, boxes: np.ndarray, letters: np.ndarray, shapes: np.ndarray, turn: int) -> Iterator[_Found]:
    """Yield the captions that are a digit, a point and a digit, or two of these, and stand alone."""
    left, top, right, bottom = boxes.T
    widths, heights = _sizes(boxes)
    alike = np.zeros(len(boxes))
    alike[letters] = _alike(shapes, "0123456789")
    digits = np.flatnonzero((alike > DIGIT_ALIKE) & (widths < heights) & (heights >= SMALLEST))
    for digit in digits[:MOST_LIKE_DIGITS].tolist():
        height = int(heights[digit])
        level = np.abs(bottom - bottom[digit]) < 0.12 * height
        behind = level & (left >= right[digit]) & (left < right[digit] + 1.2 * height)
        small = np.maximum(widths, heights) < 0.35 * height
        points = left[behind & small]
        following = digits[(behind & (np.abs(top - top[digit]) < 0.12 * height))[digits]]
        following = following[left[following] > points.min(initial=max(parts.labels.shape))]
        if len(following):
            before = digits[(level & (left < left[digit]) & (right > left[digit] - 0.6 * height))[digits]]
            line = _line(boxes, np.array([digit, following[0], *before]), height)
            numeric = len(line) <= MOST_DIGITS and (small[line] | np.isin(line, digits)).all()
            if numeric and _is_alone(parts, line, round(ALONE * height)):
                yield _Found(Caption(turn, line), height, 1.0)


def _is_alone(parts: Parts, line: np.ndarray, white: int) -> bool:
    """Return whether there is no ink but that of these parts around them, for so many pixels."""
    boxes = parts.boxes[line]
    left, top = np.maximum(boxes[:, :2].min(axis=0) - white, 0)
    right, bottom = boxes[:, 2:].max(axis=0) + white
    return bool(np.isin(parts.labels[top:bottom, left:right], [0, *line + 1]).all())


def _line(boxes: np.ndarray, first: np.ndarray, height: int) -> np.ndarray:
    """Return the parts of a caption's line that begins with some, and what is within it: points, and what underlines it."""
    left, top, right, bottom = boxes.T
    start, end, above, below = left[first].min(), right[first].max(), top[first].min(), bottom[first].max()
    low = np.flatnonzero((top > above - 0.4 * height) & (bottom < below + 0.4 * height) & (left >= start))
    for part in low[np.argsort(left[low], kind="stable")].tolist():
        if left[part] > end + SPACE * height or right[part] > start + LONGEST * height:
            break
        end = max(end, right[part])
    rim = 0.6 * height
    within = (left >= start - rim) & (right <= end + rim) & (top >= above - rim) & (bottom <= below + rim)
    return np.flatnonzero(within)


def _likely(found: Sequence[_Found]) -> list[Caption]:
    """Return the captions of a sheet among what looks like one, the most alike first."""
    chosen: list[_Found] = []
    for each in sorted(found, key=lambda each: -each.alike):
        best = (chosen or [each])[0]
        alike = each.alike > (LIKE_BEST * best.alike if chosen and each.caption.turn == best.caption.turn else ALIKE)
        if alike and not any(np.isin(each.caption.parts, other.caption.parts).any() for other in chosen):  # upside down
            chosen.append(each)
    height = max((each.height for each in chosen), default=0)
    return [each.caption for each in chosen if each.height >= REFERENCE * height]


def _sizes(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]


def _alike(shapes: np.ndarray, letters: str) -> np.ndarray:
    """Return float32 [shapes]: the cosine with the most similar form of any of these letters."""
    return (shapes @ np.concatenate([_templates(letter) for letter in letters]).T).max(axis=1, initial=-1)


def _squares(parts: Parts, numbers: np.ndarray) -> np.ndarray:
    """Return float32 [numbers, SIDE, SIDE]: the shapes of parts, of mean 0 and length 1."""
    found = np.zeros((len(numbers), SIDE, SIDE), np.float32)
    for place, number in enumerate(numbers.tolist()):
        left, top, right, bottom = parts.boxes[number]
        found[place] = _square(parts.labels[top:bottom, left:right] == number + 1)
    return found


def _square(shape: np.ndarray) -> np.ndarray:
    image = Image.fromarray(shape.view(np.uint8) * 255).resize((SIDE, SIDE), Image.Resampling.BOX)
    square = np.asarray(image, np.float32)
    square = square - square.mean()
    return square / (np.linalg.norm(square) or 1)


@cache
def _templates(letter: str) -> np.ndarray:
    """Return float32 [forms, SIDE * SIDE] of a letter."""
    forms = [[(1.0, line) for line in PLAIN[letter]], *([SERIFS[letter]] if letter in SERIFS else [])]
    return np.stack([_square(_drawn(*form)).ravel() for form in product(forms, PENS, SLANTS, NARROWED)])


def _drawn(strokes: Strokes, pen: float, slant: float, narrowed: float) -> np.ndarray:
    unit = 12
    image = Image.new("L", (14 * unit, 12 * unit))
    draw = ImageDraw.Draw(image)
    for width, line in strokes:
        points = [((x * narrowed + slant * (6 - y) + 3) * unit, (y + 3) * unit) for x, y in line]
        half = pen * width * unit / 2
        draw.line(points, fill=1, width=round(2 * half))
        for x, y in points:
            draw.rectangle((x - half, y - half, x + half, y + half), fill=1)
    return np.asarray(image.crop(image.getbbox())) > 0
