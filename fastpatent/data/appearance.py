"""What may be wrong with an image that can be read: white on black, blank, a thin strip, one of several pages."""

import numpy as np
from PIL import Image

MIDDLE_GREY = 128  # darker is dark
MOST_ASPECT = 20  # longer side / shorter side; of 2,438 real sheets and renderings the longest has 7.6
SAME_GREY, BLANK_SHARE = 32, 1e-4  # fewer pixels than this share differ by more than so many levels from the commonest
INVERTED, BLANK, STRIP, PAGES = (
    "inverted drawing, white on black",
    "blank drawing",
    "extreme aspect ratio",
    "more pages or frames than the first",
)


def is_inverted(pixels: np.ndarray) -> bool:
    """Return whether uint8 [height, width] is white on black: most of its border is dark, and more than a third of it all.

    Ink rarely reaches the border, and within a scanner's black edge the paper is light. The border is a fiftieth of the
    shorter side wide.
    """
    dark = pixels < MIDDLE_GREY
    edge = max(min(dark.shape) // 50, 1)
    inner = dark[edge:-edge, edge:-edge]
    all_dark, inner_dark = np.count_nonzero(dark), np.count_nonzero(inner)
    return bool(3 * all_dark > dark.size and 2 * (all_dark - inner_dark) > dark.size - inner.size)


def is_blank(drawing: Image.Image) -> bool:
    """Return whether an image of mode L is of one grey, but for a speck."""
    counts = drawing.histogram()
    common = counts.index(max(counts))
    near = sum(counts[max(common - SAME_GREY, 0) : common + SAME_GREY + 1])
    return sum(counts) - near < BLANK_SHARE * sum(counts)


def is_strip(drawing: Image.Image) -> bool:
    """Return whether one side of an image is more than MOST_ASPECT times the other."""
    return max(drawing.size) > MOST_ASPECT * min(drawing.size)


def oddities(drawing: Image.Image, pages: int) -> dict[str, str]:
    """Return {INVERTED, BLANK, STRIP or PAGES: details in words} of those that apply.

    Args:
        drawing: of mode L, as read.
        pages: of its file.
    """
    found: dict[str, str] = {}
    if is_blank(drawing):
        found[BLANK] = ""
    elif is_inverted(np.asarray(drawing)):
        found[INVERTED] = ""
    if is_strip(drawing):
        found[STRIP] = f" ({drawing.width} x {drawing.height} pixels)"
    if pages > 1:
        found[PAGES] = f" ({pages} in all)"
    return found
