"""Turn a photograph into black lines on white, so that it can be compared with patent drawings."""

import cv2
import numpy as np
from PIL import Image, ImageOps

SIDE = 1024  # pixels of the longer side of what is returned
SMALL = 256  # pixels of the longer side at which drawings and photographs are distinguished
# A sheet has few greys: 95 in 100 of 438 sheets of patents on less than a tenth of their pixels, 100 photographs of objects
# on a third or more. Or, where it was photographed, it changes slowly between its lines, by light and soft shadows: faster
# on at most .3 % of the pixels of 90 such photographs, and on 2 % or more of those of objects. Two of the sheets are
# taken for photographs, which are grey pictures.
FAST, FAST_SHARE, GREY_SHARE = 0.05, 0.01, 0.15
WHITE, BLACK = 0.85, 0.55  # brightness by that of the paper around, of paper and of ink
LOW = 0.4  # threshold of edges that go on from those above the high one, by that one
LEAST = 0.03  # of the longer side: shorter edges, to both sides, are texture


def edge_map(image: Image.Image) -> Image.Image:
    """Return what a draughtsman would have drawn of a photograph: black lines on white, of at most SIDE pixels.

    Of an image that `is_drawing`, a photographed sheet too, the paper becomes white and the lines stay. Of any other the
    edges of objects are found: noise and texture are smoothed between edges (bilateral filter), the strongest of the three
    colours counts (Canny, A computational approach to edge detection, TPAMI 1986, with the high threshold of Otsu), and
    edges that are short are removed.

    Args:
        image: of mode RGB, upright.

    Returns:
        Image of mode L.
    """
    if is_drawing(image):
        return Image.fromarray(_inked(np.asarray(_shrunk(image, SIDE).convert("L"))))
    pixels = np.asarray(ImageOps.contain(image, (SIDE, SIDE)))  # small ones are enlarged, for lines of one width
    for _ in range(2):
        pixels = cv2.bilateralFilter(pixels, 9, 40, 5)
    pixels = cv2.GaussianBlur(pixels, (0, 0), 1.2)
    across, down = (cv2.Sobel(pixels, cv2.CV_16S, *axis, ksize=3) for axis in ((1, 0), (0, 1)))
    strength = np.hypot(across.astype(np.float32), down)
    strongest = strength.argmax(axis=2)[..., None]
    across, down = (np.take_along_axis(each, strongest, 2)[..., 0] for each in (across, down))
    high = _otsu(strength.max(axis=2))
    edges = cv2.Canny(np.ascontiguousarray(across), np.ascontiguousarray(down), LOW * high, high, L2gradient=True)
    lines = cv2.dilate(_long_parts(edges, LEAST * max(edges.shape)), np.ones((3, 3), np.uint8))
    return Image.fromarray(cv2.GaussianBlur(255 - lines, (0, 0), 0.6))


def is_drawing(image: Image.Image) -> bool:
    """Return whether an image of mode RGB or L is a drawing already, or a photograph of a sheet."""
    image = _shrunk(image, SIDE).convert("L")
    pixels = np.asarray(image)
    if np.mean((pixels > 64) & (pixels < 192)) < GREY_SHARE:
        return True
    grey = np.asarray(_shrunk(image, SMALL))
    paper = cv2.GaussianBlur(_without_lines(grey), (0, 0), 2)
    logarithm = np.log(paper.astype(np.float32) + 10)
    change = np.hypot(*(cv2.Sobel(logarithm, cv2.CV_32F, *axis, ksize=3) / 8 for axis in ((1, 0), (0, 1))))
    return bool(np.mean(change > FAST) < FAST_SHARE)


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    image = image.copy()
    image.thumbnail((side, side), Image.Resampling.BOX)
    return image


def _without_lines(grey: np.ndarray) -> np.ndarray:
    """Return the paper of a sheet: what is dark and thinner than a twentieth of the longer side is closed."""
    width = max(grey.shape) // 20 | 1
    return cv2.morphologyEx(grey, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))


def _inked(grey: np.ndarray) -> np.ndarray:
    """Return a sheet with white paper and black lines; a clean drawing stays nearly as it is."""
    paper = cv2.GaussianBlur(_without_lines(grey), (0, 0), max(grey.shape) / 100)
    ink = grey / np.maximum(paper, 1).astype(np.float32)
    return (np.clip((ink - BLACK) / (WHITE - BLACK), 0, 1) * 255).astype(np.uint8)


def _otsu(strength: np.ndarray) -> float:
    """Return the threshold of Otsu between two kinds of gradients, float32 of any size."""
    top = max(float(np.percentile(strength, 99.5)), 1.0)
    level, _ = cv2.threshold(np.clip(strength * (255 / top), 0, 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    return level / 255 * top


def _long_parts(edges: np.ndarray, least: float) -> np.ndarray:
    """Return the connected edges, uint8 of 0 and 255, whose boxes are at least that many pixels high or wide."""
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(edges, connectivity=8)
    long = boxes[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1) >= least
    long[0] = False  # no edges
    return long[labels].astype(np.uint8) * 255
