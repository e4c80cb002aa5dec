"""From a weights file to a dict of tensors, without running anything that the file holds."""

import pickle
import re
from pathlib import Path
from typing import NamedTuple

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
# How torch says which class or function a pickle asks for.
STRANGER = re.compile(r"GLOBAL (\S+)")


class StateFile(NamedTuple):
    """What a weights file holds.

    Attributes:
        state: dict from names, as they are in the file, to tensors on the CPU.
        beside: dict of all else that training code kept, plain values and dicts of them.
    """

    state: dict
    beside: dict


def read_state_file(path):
    """Read a weights file.

    Args:
        path: .safetensors, or any name for a file of torch.save: a state dict, or a dict that has one under `model` or
            `state_dict`.

    Returns:
        StateFile.

    Raises:
        CheckpointError: the file is missing, truncated, no checkpoint, or holds objects that only code could rebuild.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    beside = {}
    for key in STATE_KEYS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            beside.update((name, value) for name, value in content.items() if name != key)
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path}: holds no parameters, but {_describe(content)}")
    strangers = [name for name, value in content.items() if not isinstance(value, torch.Tensor)]
    if strangers:
        raise CheckpointError(
            f"{path}: no parameters found: {strangers[0]!r} is {_describe(content[strangers[0]])}, and neither "
            f"{' nor '.join(STATE_KEYS)} holds any"
        )
    return StateFile(dict(content), beside)


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
        stranger = STRANGER.search(str(error))
        if stranger:
            raise CheckpointError(
                f"{path}: refused: it needs {stranger[1]}, and rebuilding more than tensors and plain values could run code"
            ) from error
        raise CheckpointError(f"{path}: truncated or no checkpoint") from error
    except PermissionError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: truncated or no checkpoint") from error
