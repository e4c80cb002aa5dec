"""Pictures of answers in a terminal that shows pictures: by Sixel, or the graphics protocol of Kitty."""

import io
import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

from PIL import Image, ImageOps
from rich.console import Group

from fastpatent.search.index import Index
from fastpatent.search.query import Answer

SIDE, GAP = 160, 8  # pixels of a drawing, and between two
DRAWINGS = 5  # of a patent
MUTE = ("dumb", "linux")  # terminals that would print the question


def show_answers(index: Index, answers: Sequence[Answer], most: int) -> Group | None:
    """Return the best drawings of the first `most` answers, for rich; None where the terminal shows no pictures."""
    if not answers or not most or not (shows := _protocol()):
        return None
    parts: list[Any] = []
    for rank, answer in enumerate(answers[:most], 1):
        parts += [
            f"{rank}. {answer.patent}",
            shows(row_of_drawings([index.thumbnail(row) for row in answer.rows[:DRAWINGS]])),
        ]
    return Group(*parts)


def row_of_drawings(pictures: Sequence[bytes]) -> Image.Image:
    """Return PNG files side by side, each within SIDE x SIDE pixels of white; mode RGB."""
    row = Image.new("RGB", (len(pictures) * (SIDE + GAP) - GAP, SIDE), "white")
    for place, picture in enumerate(pictures):
        with Image.open(io.BytesIO(picture), formats=("PNG",)) as image:
            row.paste(ImageOps.pad(image.convert("RGB"), (SIDE, SIDE), color="white"), (place * (SIDE + GAP), 0))
    return row


@cache
def _protocol() -> Any:
    """Return what makes a picture for this terminal, by asking it; None where it has no answer."""
    if not all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout)) or find_spec("textual_image") is None:
        return None
    if os.environ.get("TERM", "dumb") in MUTE or not os.get_terminal_size().columns:
        return None
    from textual_image.renderable import Image as Chosen  # asks when it is imported
    from textual_image.renderable import SixelImage, TGPImage

    return Chosen if Chosen in (SixelImage, TGPImage) else None
