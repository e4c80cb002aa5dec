"""The drawings of a test's page: thumbnails, pairs, and pairs with lines between matching regions."""

import io
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from PIL import Image, ImageColor, ImageDraw

from fastpatent.evaluation.analysis.regions import Regions
from fastpatent.report.picture import data_url, shrink, thumbnail
from fastpatent.report.plot_style import COLOURS

SIDE, GAP = 224, 16  # pixels
INKS = [ImageColor.getrgb(colour) for colour in COLOURS[:6]]


def drawings_url(paths: Sequence[str], size: int = SIDE) -> Markup:
    """Return one drawing, or several side by side, as the address of a picture; one that is unreadable stays white."""
    sheet = Image.new("L", ((size + GAP) * len(paths) - GAP, size), 255)
    for place, path in enumerate(paths):
        sheet.paste(thumbnail(path, size), (place * (size + GAP), 0))
    return _url(sheet.quantize(16))


def regions_url(regions: Regions, size: int = SIDE + GAP) -> Markup:
    """Return two drawings side by side, with lines between their matching regions, as the address of a picture."""
    sheet = Image.new("RGB", (2 * size + GAP, size), "white")
    corners: list[tuple[float, float, float]] = []
    for place, pixels in enumerate((regions.first, regions.second)):
        drawing = Image.fromarray(np.ascontiguousarray(pixels))
        scale = size / max(drawing.size)
        if scale > 1:
            drawing = drawing.resize([max(round(side * scale), 1) for side in drawing.size], Image.Resampling.BICUBIC)
        else:
            drawing = shrink(drawing, size)
        left, top = place * (size + GAP) + (size - drawing.width) // 2, (size - drawing.height) // 2
        sheet.paste(drawing.point([128 + grey // 2 for grey in range(256)]), (left, top))  # paler than the lines
        corners.append((left, top, scale))
    draw = ImageDraw.Draw(sheet)
    for number, match in enumerate(reversed(regions.matches)):  # the best on top
        ends = [
            (left + scale * x, top + scale * y) for (left, top, scale), (x, y) in zip(corners, (match.first, match.second))
        ]
        ink = INKS[number % len(INKS)]
        draw.line(ends, ink, 2)
        for x, y in ends:
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), outline=ink, width=2)
    return _url(sheet.quantize(48))


def _url(picture: Image.Image) -> Markup:
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", optimize=True)
    return data_url(encoded.getvalue(), "image/png")
