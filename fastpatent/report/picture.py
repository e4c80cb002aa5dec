"""Thumbnails of drawings, and PNG files."""

import base64
import io
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fastpatent.data.image import open_drawing
from fastpatent.errors import DataError
from fastpatent.files import write_atomically

SOFTWARE = "fastpatent"
GREYS = 16


def thumbnail(path: str | Path, size: int) -> Image.Image:
    """Fit a drawing into a white square of `size` pixels, mode L; the square stays white if the drawing is unreadable."""
    square = Image.new("L", (size, size), 255)
    try:
        drawing = open_drawing(path)
    except DataError:
        return square
    drawing = shrink(drawing, size)
    square.paste(drawing, ((size - drawing.width) // 2, (size - drawing.height) // 2))
    return square


def picture_url(path: str | Path, size: int) -> Markup:
    """Return the `thumbnail` of a drawing as a data URL, for a page that loads nothing."""
    return data_url(small_png(thumbnail(path, size)), "image/png")


def small_png(drawing: Image.Image) -> bytes:
    """Return the bytes of a PNG file of an image of mode L, in GREYS greys."""
    encoded = io.BytesIO()
    drawing.quantize(GREYS, Image.Quantize.FASTOCTREE).save(encoded, "PNG")
    return encoded.getvalue()


def data_url(contents: bytes, kind: str) -> Markup:
    """Return the bytes of a file of a MIME type as an address for a page."""
    return Markup(f"data:{kind};base64,{base64.b64encode(contents).decode()}")


def shrink(drawing: Image.Image, size: int) -> Image.Image:
    """Shrink an image of mode L to fit a square of `size` pixels, without enlarging, and keep thin strokes dark."""
    drawing = drawing.copy()
    drawing.thumbnail((size, size), Image.Resampling.BOX)
    return drawing.point([max(0, 2 * grey - 255) for grey in range(256)])  # thin strokes would fade into the paper


def write_png(path: str | Path, picture: np.ndarray) -> None:
    """Write uint8 [height, width] or [height, width, 3] as PNG, atomically, marked as written by this program."""
    mark = PngInfo()
    mark.add_text("Software", SOFTWARE)
    write_atomically(path, lambda temporary: Image.fromarray(picture).save(temporary, optimize=True, pnginfo=mark))


def is_our_png(path: str | Path) -> bool:
    """Return whether `write_png` has written a file; raises what Pillow raises for a file that is no image."""
    with Image.open(path, formats=("PNG",)) as image:
        return image.info.get("Software") == SOFTWARE
