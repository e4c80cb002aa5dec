"""From a weights file to a dict of tensors, without running anything that the file holds."""

import pickle
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from fastpatent.errors import CheckpointError

# Under which name training code keeps the parameters inside a checkpoint.
STATE_KEYS = ("model", "state_dict")

# NumPy numbers, which checkpoints hold as their best metric: under the names that NumPy 1 and 2 give them.
_SCALAR = np.float64(0).__reduce__()[0]
NUMBERS = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "int64", "bool")),
]


def read_state(path):
    """Return the parameters in a weights file, on the CPU.

    Args:
        path: .safetensors, or any name for a file of torch.save: a state dict, or a dict that has one under `model` or
            `state_dict`.

    Returns:
        dict from names, as they are in the file, to tensors.

    Raises:
        CheckpointError: the file is missing, truncated, no checkpoint, or holds objects that only code could rebuild.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    for key in STATE_KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path}: holds no parameters, but {_describe(content)}")
    strangers = [name for name, value in content.items() if not isinstance(value, torch.Tensor)]
    if strangers:
        raise CheckpointError(
            f"{path}: no parameters found: {strangers[0]!r} is {_describe(content[strangers[0]])}, and neither "
            f"{' nor '.join(STATE_KEYS)} holds any"
        )
    return dict(content)


def _describe(value):
    return f"an empty {type(value).__name__}" if value in ({}, [], ()) else f"a {type(value).__name__}"


def _read_safetensors(path):
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: truncated or no safetensors file ({error})") from error


def _read_pickle(path):
    try:
        with torch.serialization.safe_globals(NUMBERS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported global" in str(error) or "Unsupported class" in str(error):
            raise CheckpointError(
                f"{path}: refused, for it holds more than tensors and plain values, and reading that could run code"
            ) from error
        raise CheckpointError(f"{path}: truncated or no checkpoint") from error
    except PermissionError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: truncated or no checkpoint") from error
