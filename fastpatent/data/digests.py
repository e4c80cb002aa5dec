"""Digests of the bytes and pixels of files, to find identical images, and what is odd about them."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from fastpatent.data.appearance import oddities
from fastpatent.data.image import MOST_PIXELS, count_pages, open_drawing, read_bytes
from fastpatent.data.workers import map_in_order
from fastpatent.errors import DataError


@dataclass
class Content:
    """One file: digests of its bytes and of its grey pixels, and its `oddities`; or its fault."""

    path: str
    data: bytes = b""
    pixels: bytes = b""
    missing: bool = False
    fault: str = ""
    odd: dict[str, str] = field(default_factory=dict)


def read_content(path: str, most: int = MOST_PIXELS) -> Content:
    """Read one file as `Content`; `most` is how many pixels it may have."""
    try:
        data = read_bytes(path)
        drawing = open_drawing(path, data, most=most)
    except (FileNotFoundError, NotADirectoryError):
        return Content(path, missing=True)
    except OSError as error:
        return Content(path, fault=f"{path}: {error.strerror}")
    except DataError as error:
        return Content(path, fault=str(error))
    shape = repr((drawing.height, drawing.width)).encode()
    return Content(path, _digest(data), _digest(shape, drawing.tobytes()), odd=oddities(drawing, count_pages(data)))


def read_contents(
    paths: Sequence[str],
    workers: int = 0,
    progress: Callable[[int, int], object] | None = None,
    most: int = MOST_PIXELS,
) -> list[Content]:
    """Read files, in order.

    Args:
        paths: file names.
        workers: processes that read; 0 reads in this one.
        progress: function of (files read, total), or None.
        most: how many pixels an image may have.
    """
    contents: list[Content] = []
    with closing(map_in_order(partial(read_content, most=most), paths, workers)) as reading:
        for content in reading:
            contents.append(content)
            if progress:
                progress(len(contents), len(paths))
    return contents


def _digest(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()
