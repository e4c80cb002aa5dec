"""Files by what is in them: digests of bytes and of pixels, by which equal drawings are found."""

import hashlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from fastpatent.data.image import open_drawing
from fastpatent.data.workers import leave_quietly
from fastpatent.errors import DataError

CHUNK = 32  # drawings handed to a worker at a time


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
    if workers and len(paths) > CHUNK:
        executor = ProcessPoolExecutor(workers, initializer=leave_quietly)
        reading = executor.map(read_content, paths, chunksize=CHUNK)
    else:
        executor, reading = None, map(read_content, paths)
    try:
        for content in reading:
            contents.append(content)
            if progress:
                progress(len(contents), len(paths))
    finally:
        if executor:
            executor.shutdown(cancel_futures=True)
    return contents


def _digest(*parts):
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()
