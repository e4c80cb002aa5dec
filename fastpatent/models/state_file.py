"""Read a weights file into a dict of tensors, without executing code from the file."""

import pickle
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from fastpatent.errors import CheckpointError

# Keys under which training code stores the parameters in a checkpoint.
STATE_KEYS = ("model", "state_dict")

# NumPy numbers, which checkpoints contain as their best metric, under their names in NumPy 1 and 2.
_SCALAR = np.float64(0).__reduce__()[0]
NUMBERS = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "int64", "bool")),
]
# The class or function that a pickle needs, in torch's error message.
STRANGER = re.compile(r"GLOBAL (\S+)")


class StateFile(NamedTuple):
    """Content of a weights file.

    Attributes:
        state: names as in the file, and tensors on the CPU.
        beside: all else that training code stored: plain values and containers of them.
    """

    state: dict[str, torch.Tensor]
    beside: dict[str, Any]


def read_state_file(path: str | Path) -> StateFile:
    """Read a weights file.

    Args:
        path: .safetensors, or any other name for a file of torch.save: a state dict, or a dict that has one under `model`
            or `state_dict`.

    Raises:
        CheckpointError: the file is missing, truncated, no checkpoint, or needs code to rebuild its objects.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    beside: dict[str, Any] = {}
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


def _describe(value: Any) -> str:
    return f"an empty {type(value).__name__}" if value in ({}, [], ()) else f"a {type(value).__name__}"


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: truncated or no safetensors file ({error})") from error


def _read_pickle(path: Path) -> Any:
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
