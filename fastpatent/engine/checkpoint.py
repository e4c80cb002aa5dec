"""Training checkpoints: written whole or not at all, verified when read, with all that a resumed run needs."""

import logging
import math
import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastpatent.config.in_use import BEST, FINAL
from fastpatent.errors import CheckpointError
from fastpatent.files import open_regular, write_atomically
from fastpatent.models.state_file import read_content

LITTLE = 2**24  # bytes, less than a checkpoint may take
LAST = "last_checkpoint"  # a text file that names the checkpoint to resume from
INTERRUPTED = "model_interrupted.pth"
PERIODIC = re.compile(r"model_(\d{4,})\.pth")  # written every SOLVER.CHECKPOINT_PERIOD epochs
# what a training state has in every version
STATE: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("model", "optimizer", "scaler"), dict),
    **dict.fromkeys(("iteration", "finished_epochs", "best_epoch", "batches_per_epoch"), int),
    "random": list,
    "mined": (dict, type(None)),
    "best": (float, int),
}
# what it may lack
MORE: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("trained", "window", "epoch_so_far"), dict),
    **dict.fromkeys(("best_metric", "test_set"), (str, type(None))),
}
MOST_STEPS = 2**40  # a million epochs of a million steps
LARGEST_METRIC = 1e9
logger = logging.getLogger(__name__)


def kinds_of(values: dict[str, Any]) -> dict[str, type]:
    """Return the type of each value, which a checkpoint of ours has as it was saved."""
    return {name: type(value) for name, value in values.items()}


def save_checkpoint(folder: str | os.PathLike[str], name: str, state: dict[str, Any], resume_from: bool = True) -> Path:
    """Write `state` to folder/name and, where a run may resume from it, name it in `last_checkpoint`."""
    path = Path(folder) / name
    try:
        write_atomically(path, lambda temporary: torch.save(state, temporary))
        if resume_from:
            write_atomically(Path(folder) / LAST, lambda temporary: temporary.write_text(name))
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
        if isinstance(error, RuntimeError) and shutil.disk_usage(folder).free < LITTLE:  # torch does not say it
            reason = "No space left on device"
        raise CheckpointError(f"{path} could not be written ({reason}); the files written before it are whole") from error
    return path


def remove_old_checkpoints(folder: str | os.PathLike[str], keep: int) -> None:
    """Remove all but the last `keep` of the checkpoints that are written every few epochs; 0 keeps all."""
    numbers = {int(match[1]): path for path in Path(folder).iterdir() if (match := PERIODIC.fullmatch(path.name))}
    for number in sorted(numbers)[:-keep] if keep else ():
        numbers[number].unlink()


def checkpoints_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the checkpoints that a training has written into a folder, the newest first."""
    named = (BEST, FINAL, INTERRUPTED)
    found = [path for path in Path(folder).iterdir() if path.name in named or PERIODIC.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.lstat().st_mtime_ns, reverse=True)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of ours onto the CPU; nothing but tensors and plain values is unpickled.

    Raises:
        CheckpointError: it cannot be read (see `read_content`), or is no training state.
    """
    state = read_content(path)
    if not isinstance(state, dict) or "iteration" not in state:
        raise CheckpointError(f"{path} holds weights but no training state: start from it with MODEL.WEIGHTS, not --resume")
    return state


def last_checkpoint(folder: str | os.PathLike[str]) -> Path | None:
    """Return the path that `last_checkpoint` names in `folder`, or None where no run has saved yet."""
    pointer = Path(folder) / LAST
    if not pointer.is_file():
        return None
    with open_regular(pointer) as file:
        name = file.read(1024).decode(errors="replace").strip()  # a name has at most 255 bytes
    return Path(folder) / Path(name.replace("\0", "")).name


def read_last_checkpoint(folder: str | os.PathLike[str]) -> tuple[Path, dict[str, Any]] | None:
    """Return (path, state) of the checkpoint to resume from; None where no run has saved yet.

    That is the one that `last_checkpoint` names; where it is damaged, a warning names it, and the newest of the others that
    is whole is used.

    Raises:
        CheckpointError: none of them can be read.
    """
    named = last_checkpoint(folder)
    others = (
        [path for path in checkpoints_in(folder) if path.name != BEST and path != named] if Path(folder).is_dir() else []
    )
    first: CheckpointError | None = None
    for path in [named, *others] if named else others:
        try:
            state = load_checkpoint(path)
            _check_state(path, state)
            return path, state
        except CheckpointError as error:
            logger.warning(f"--resume: {error}")
            first = first or error
    if first:
        raise CheckpointError(f"--resume: no checkpoint in {folder} can be used; --overwrite starts anew") from first
    return None


def _check_state(path: Path, state: dict[str, Any]) -> None:
    """Raise CheckpointError where a checkpoint lacks what a training state has, or its numbers contradict each other."""
    kinds = STATE | {name: kind for name, kind in MORE.items() if name in state}
    missing = [
        name
        for name, kind in kinds.items()
        if name not in state or not isinstance(state[name], kind) or isinstance(state[name], bool)
    ]
    if missing:
        raise CheckpointError(f"{path} is no complete training state: it lacks {', '.join(missing)}")
    finished, batches = state["finished_epochs"], state["batches_per_epoch"]
    # A run that is stopped in the evaluation of an epoch has not finished it.
    steps_fit = 0 <= finished * batches <= state["iteration"] <= (finished + 1) * batches
    if not (batches > 0 and steps_fit and state["iteration"] <= MOST_STEPS and 0 <= state["best_epoch"] <= finished + 1):
        raise CheckpointError(f"{path} is no training state: its numbers of steps and epochs contradict each other")
    if not abs(state["best"]) < LARGEST_METRIC:
        raise CheckpointError(f"{path} is no training state: its best metric is no number")


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
    """Put all random generators back to where they were when `random_state` was called.

    Raises:
        CheckpointError: a state is damaged.
    """
    try:
        version, internal, gauss = state["python"]
        if not (gauss is None or isinstance(gauss, float) and math.isfinite(gauss)):
            raise ValueError("Python's next number is none")
        random.setstate((version, tuple(internal), gauss))
        name, keys, position, *rest = state["numpy"]
        if not 0 <= position <= len(keys) or not all(map(math.isfinite, rest)):  # NumPy would read outside
            raise ValueError(f"NumPy's is at {position} of {len(keys)}")
        np.random.set_state((name, keys.numpy(), position, *rest))
        torch.set_rng_state(state["torch"])
        _check_draws()
        if device.type == "cuda" and state["device"] is not None:
            torch.cuda.set_rng_state(state["device"], device)
    except Exception as error:  # the generators raise many kinds
        raise CheckpointError(f"--resume: the states of the random generators are damaged: {error}") from error


def _check_draws() -> None:
    """Raise ValueError where a generator of the CPU would draw 0 for ever; it is where it was afterwards."""
    drawn = random.Random(), np.random.RandomState(), torch.Generator()
    drawn[0].setstate(random.getstate())
    drawn[1].set_state(np.random.get_state())
    drawn[2].set_state(torch.get_rng_state())
    # More bytes than the state of any of them.
    random_bytes = drawn[0].randbytes(2**13), drawn[1].bytes(2**13), torch.randint(256, (2**13,), generator=drawn[2])
    if not all(map(any, random_bytes)):
        raise ValueError("one draws nothing but 0")
