"""Files by what is in them: digests of bytes and of pixels, by which equal drawings are found."""

import hashlib
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from fastpatent.data.image import open_drawing
from fastpatent.data.workers import map_in_order
from fastpatent.errors import DataError


@dataclass
class Content:
    """One file as read: digests of its bytes and of its grey pixels, or what is wrong with it."""

    path: str
    data: bytes = b""
    pixels: bytes = b""
    missing: bool = False
    fault: str = ""


def read_content(path):
    """Read one file as `Content`."""
    try:
        with open(path, "rb") as file:
            data = file.read()
        pixels = np.asarray(open_drawing(path, data))
    except (FileNotFoundError, NotADirectoryError):
        return Content(path, missing=True)
    except OSError as error:
        return Content(path, fault=f"{path}: {error.strerror}")
    except DataError as error:
        return Content(path, fault=str(error))
    shape = repr(pixels.shape).encode()
    return Content(path, _digest(data), _digest(shape, pixels.tobytes()))


def read_contents(paths, workers=0, progress=None):
    """Read files, in order.

    Args:
        paths: list of file names.
        workers: processes that read; 0 reads in this one.
        progress: function of (files read, files), or None.

    Returns:
        list of `Content`.
    """
    contents = []
    with closing(map_in_order(read_content, paths, workers)) as reading:
        for content in reading:
            contents.append(content)
            if progress:
                progress(len(contents), len(paths))
    return contents


def _digest(*parts):
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()
