"""Training checkpoints: written whole or not at all, with all that a resumed run needs."""

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastpatent.errors import CheckpointError
from fastpatent.files import write_atomically

LAST = "last_checkpoint"  # a text file that names the checkpoint to resume from


def save_checkpoint(folder: str | os.PathLike[str], name: str, state: dict[str, Any], resume_from: bool = True) -> Path:
    """Write `state` to folder/name and, where a run may resume from it, name it in `last_checkpoint`."""
    path = Path(folder) / name
    try:
        write_atomically(path, lambda temporary: torch.save(state, temporary))
        if resume_from:
            write_atomically(Path(folder) / LAST, lambda temporary: temporary.write_text(name))
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise CheckpointError(f"{path} could not be written ({error}); the files written before it are whole") from error
    return path


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint of ours onto the CPU; nothing but tensors and plain values is unpickled."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such checkpoint") from None
    except Exception as error:  # torch raises many kinds for a damaged file
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {str(error).splitlines()[0]}") from error
    if not isinstance(state, dict) or "iteration" not in state:
        raise CheckpointError(f"{path} holds weights but no training state: start from it with MODEL.WEIGHTS, not --resume")
    return state


def last_checkpoint(folder: str | os.PathLike[str]) -> Path | None:
    """Return the path that `last_checkpoint` names in `folder`, or None where no run has saved yet."""
    pointer = Path(folder) / LAST
    if not pointer.is_file():
        return None
    return Path(folder) / pointer.read_text().strip()


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the state of every random generator that a training step may use."""
    numpy_state: tuple = np.random.get_state()  # pyright: ignore[reportAssignmentType]
    return {
        "python": random.getstate(),
        "numpy": (numpy_state[0], torch.from_numpy(numpy_state[1].copy()), *numpy_state[2:]),
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Put all random generators back to where they were when `random_state` was called."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy(), *rest))
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and state["device"] is not None:
        torch.cuda.set_rng_state(state["device"], device)
