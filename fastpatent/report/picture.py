"""Drawings in small, and pictures as PNG files."""

from PIL import Image

from fastpatent.data.image import open_drawing
from fastpatent.errors import DataError
from fastpatent.files import write_atomically


def thumbnail(path, size):
    """Fit a drawing into a white square of `size` pixels; a drawing that cannot be read leaves the square empty.

    Returns:
        PIL image of mode L.
    """
    square = Image.new("L", (size, size), 255)
    try:
        drawing = open_drawing(path)
    except DataError:
        return square
    drawing = shrink(drawing, size)
    square.paste(drawing, ((size - drawing.width) // 2, (size - drawing.height) // 2))
    return square


def shrink(drawing, size):
    """Fit a PIL image of mode L into a square of `size` pixels, never larger than it is, its thin strokes kept dark."""
    drawing = drawing.copy()
    drawing.thumbnail((size, size), Image.Resampling.BOX)
    return drawing.point(lambda grey: max(0, 2 * grey - 255))  # thin strokes would fade into the paper


def write_png(path, picture):
    """Write uint8 [height, width] or [height, width, 3] as PNG; the file appears whole or not at all."""
    write_atomically(path, lambda temporary: Image.fromarray(picture).save(temporary, optimize=True))
