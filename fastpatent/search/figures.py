"""The figures of a sheet: without page header and captions, apart at white gaps, and upright where one of these says how."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, pairwise, product
from typing import NamedTuple

import numpy as np
from PIL import Image

from fastpatent.data.image import open_drawing
from fastpatent.data.records import Sample
from fastpatent.errors import DataError
from fastpatent.search.captions import Parts, connected_parts, find_captions, turned_boxes

PIXELS = 2_500_000  # of a sheet in which figures are sought; one of 300 dpi is halved
INK = 192  # grey below which a pixel is ink: light shading is part of a figure
SPECK = 3  # pixels of the longer side of a part that may lie in a gap
RIM = 8  # pixels of white around a figure
PAGE = 1.2, 1.6  # longer side of a page by its shorter one
HEADER_AT = (
    0.015,
    0.1,
)  # upper and lower edge of a page header, by the longer side; sheets that are cut to their ink have none
HEADER_HIGH, HEADER_WIDE = (0.006, 0.03), 0.45  # its height, likewise, and width, by that of the page
HEADER_PARTS, HEADER_PART = 12, 2.5  # how many parts it has at least, and the width of one at most, by the header's height
TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


class Figure(NamedTuple):
    """Where a figure is on its sheet, in pixels of the upright sheet.

    Attributes:
        left, top, width, height: box around it.
        turn: how often it is turned by 90 degrees counterclockwise, to be upright.
        blanks: boxes (left, top, width, height) of captions that reach into its box; they become white.
    """

    left: int
    top: int
    width: int
    height: int
    turn: int = 0
    blanks: tuple[tuple[int, int, int, int], ...] = ()


def figure_values(figure: Figure | None) -> list[int]:
    """Return a figure as plain integers, those of each blank last; none for all of a file."""
    return [] if figure is None else [*figure[:5], *chain.from_iterable(figure.blanks)]


def figure_of(values: Sequence[int]) -> Figure | None:
    """Return the figure of `figure_values`."""
    if not values:
        return None
    left, top, width, height, turn, *others = values
    return Figure(left, top, width, height, turn % 4, tuple(zip(*[iter(others)] * 4)))


def figure_sample(path: str, figure: Figure | None) -> Sample:
    """Return a figure of a file, or all of it, as a sample, which is named after both."""
    if figure is None:
        return Sample(path, None)
    return Sample(label_of(path, figure), None, image=partial(read_figure, path, figure))


def label_of(path: str, figure: Figure | None) -> str:
    """Return what people read of a drawing: its file, and which figure of it."""
    return path if figure is None else f"{path} (figure at {box_text(figure)})"


def box_text(figure: Figure | None) -> str:
    """Return the box of a figure as left,top,width,height; "" for all of a file."""
    return "" if figure is None else ",".join(map(str, figure[:4]))


def read_figure(path: str, figure: Figure, invert: bool, most: int) -> Image.Image:
    """Return a figure of a file, see `cut_out`, which is read as by `open_drawing`.

    Raises:
        DataError: the file cannot be read, or has no such figure.
    """
    sheet = open_drawing(path, invert=invert, most=most)
    if figure.left + figure.width > sheet.width or figure.top + figure.height > sheet.height:
        raise DataError(f"{path}: was changed, it has no figure at {figure.left},{figure.top} any more")
    return cut_out(sheet, figure)


def split_sheet(sheet: Image.Image) -> list[Figure]:
    """Return the figures of a sheet, at least one.

    A caption makes a figure. A sheet with several is cut at white gaps that have a caption and other ink on both sides, the
    widest first; parts of one figure may lie apart. Where there is no such gap, and where captions cannot be read, figures
    stay together. A page header is a line of letters on top of a whole page. A sheet without any of these is one figure, as
    it is.

    Args:
        sheet: mode L, black on white.
    """
    parts, step = ink_of(sheet)
    header, header_turn = _header(parts)
    captions = find_captions(parts)
    drawn = np.ones(len(parts.boxes), bool)
    drawn[np.concatenate([header, *(caption.parts for caption in captions)])] = False
    drawn = parts.boxes[drawn]
    if not len(drawn) or not (captions or len(header)):
        return [Figure(0, 0, *sheet.size)]
    texts = np.array([around(parts.boxes[caption.parts]) for caption in captions]).reshape(-1, 4)
    limits = np.array([*sheet.size, *sheet.size])
    blanks, figures = np.clip((texts + (-1, -1, 1, 1)) * step, 0, limits), []
    for chosen, its in _cut(drawn, texts):
        turns = [caption.turn for caption, is_its in zip(captions, its) if is_its] or [header_turn]
        box = np.clip(around(drawn[chosen]) * step + (-RIM, -RIM, RIM, RIM), 0, limits)
        within = ((blanks[:, :2] < box[2:]) & (blanks[:, 2:] > box[:2])).all(axis=1)
        figures.append(Figure(*_sized(box), turns[0], tuple(map(_sized, blanks[within]))))
    return figures


def cut_out(sheet: Image.Image, figure: Figure) -> Image.Image:
    """Return a figure of a sheet, of mode L, upright and without captions."""
    image = sheet.crop((figure.left, figure.top, figure.left + figure.width, figure.top + figure.height))
    for left, top, width, height in figure.blanks:
        image.paste(255, (left - figure.left, top - figure.top, left - figure.left + width, top - figure.top + height))
    return image if (method := TURNS[figure.turn]) is None else image.transpose(method)


def ink_of(sheet: Image.Image) -> tuple[Parts, int]:
    """Return (the parts of a sheet's ink, of which PIXELS at most remain, how many pixels of a side became one)."""
    step = max(1, math.ceil(math.sqrt(sheet.width * sheet.height / PIXELS)))
    ink = np.asarray(sheet) < INK
    reduced = np.zeros([-(-side // step) for side in ink.shape], bool)
    for row, column in product(range(step), repeat=2):
        some = ink[row::step, column::step]
        reduced[: some.shape[0], : some.shape[1]] |= some
    return connected_parts(reduced), step


def _header(parts: Parts) -> tuple[np.ndarray, int]:
    """Return (numbers of the parts of the page header, turn that brings it to the top); none, and 0, without one."""
    shape = parts.labels.shape
    longer = max(shape)
    if PAGE[0] < longer / min(shape) < PAGE[1]:
        for turn in range(4):
            boxes, width = turned_boxes(parts.boxes, turn, shape), shape[1 - turn % 2]
            order = np.argsort(boxes[:, 1], kind="stable")
            for start, end in _between_gaps(boxes[order, 1], boxes[order, 3]):
                line = boxes[order[start:end]]
                left, top, right, bottom = around(line)
                if bottom > HEADER_AT[1] * longer:
                    break
                level = top > HEADER_AT[0] * longer and HEADER_HIGH[0] * longer < bottom - top < HEADER_HIGH[1] * longer
                letters = end - start >= HEADER_PARTS and (line[:, 2] - line[:, 0] < HEADER_PART * (bottom - top)).all()
                if level and letters and right - left > HEADER_WIDE * width:
                    return order[:end], turn
    return np.zeros(0, np.int64), 0


def _cut(boxes: np.ndarray, captions: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (bool [boxes], bool [captions]) of each figure: the parts, and the captions, one unless there is no gap."""
    everything = np.concatenate([boxes, captions])
    chosen = np.ones(len(everything), bool)
    waiting = [chosen]
    while waiting:
        chosen = waiting.pop()
        sides = _widest_gap(everything, chosen, len(boxes)) if chosen[len(boxes) :].sum() > 1 else None
        if sides is None:
            yield chosen[: len(boxes)], chosen[len(boxes) :]
        else:
            waiting += sides[::-1]


def _widest_gap(boxes: np.ndarray, chosen: np.ndarray, drawn: int) -> list[np.ndarray] | None:
    """Return the two sides of the widest white gap between some boxes, bool [boxes] each, with ink and a caption on both.

    Args:
        boxes: int64 [boxes, 4].
        chosen: bool [boxes]: which of them.
        drawn: how many of them are ink; the others are captions.
    """
    large = np.flatnonzero(chosen & ((boxes[:, 2:] - boxes[:, :2]).max(axis=1) > SPECK))
    widest, found = 0, None
    for axis in (0, 1):
        order = large[np.argsort(boxes[large, axis], kind="stable")]
        starts, ends = boxes[order, axis], np.maximum.accumulate(boxes[order, axis + 2])
        is_caption = order >= drawn
        before = np.cumsum(is_caption)[:-1]
        ink_before = np.cumsum(~is_caption)[:-1]
        valid = (before > 0) & (before < is_caption.sum()) & (ink_before > 0) & (ink_before < (~is_caption).sum())
        gaps = np.where(valid, starts[1:] - ends[:-1], 0)
        if len(gaps) and gaps.max() > widest:
            widest, place = gaps.max(), int(gaps.argmax())
            middle = (starts[place + 1] + ends[place]) / 2
            first = (boxes[:, axis] + boxes[:, axis + 2]) / 2 < middle
            found = [chosen & first, chosen & ~first]
    return found


def _between_gaps(starts: np.ndarray, ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield (first, end) of the runs of intervals, sorted by their starts, that no gap divides."""
    gaps = np.flatnonzero(starts[1:] > np.maximum.accumulate(ends)[:-1]) + 1
    yield from pairwise([0, *gaps.tolist(), len(starts)] if len(starts) else [])


def around(boxes: np.ndarray) -> np.ndarray:
    """Return int64 [4]: the box around boxes [.., 4]."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _sized(box: np.ndarray) -> tuple[int, int, int, int]:
    left, top, right, bottom = box.tolist()
    return left, top, right - left, bottom - top
