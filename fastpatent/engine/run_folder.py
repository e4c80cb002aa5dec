"""The folder of a training run: one run at a time in it, and no run replaces another unless it is asked to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastpatent.data.lock import only_writer
from fastpatent.engine.checkpoint import FINAL, LAST, checkpoints_in
from fastpatent.errors import ConfigError
from fastpatent.files import make_folder, remove_temporaries

CONFIG = "config.yaml"
MARK = "# written by fastpatent train"  # its first line
BESIDE = (LAST, CONFIG, "log.txt", "quarantine.csv", "events.out.tfevents.*")  # what a training writes beside checkpoints
TEMPORARY = ("model_*.pth", LAST, CONFIG, "quarantine.csv")  # what a kill may leave half written


@contextmanager
def own_run_folder(folder: str | os.PathLike[str], resume: bool = False, overwrite: bool = False) -> Iterator[None]:
    """Make OUTPUT_DIR where it is missing and lock it while the block trains in it.

    Args:
        folder: OUTPUT_DIR.
        resume: the run in it is continued.
        overwrite: the run in it will be removed by `remove_run`.

    Raises:
        ConfigError: the folder has the checkpoints of a run, or a config.yaml of another origin, and neither `resume` nor
            `overwrite` is given.
        DataError: another process trains in it, or the folder cannot be made.
    """
    folder = make_folder(folder)
    with only_writer(folder, "fastpatent train"):
        found = checkpoints_in(folder)
        if found and not resume and not overwrite:
            finished = (folder / FINAL).exists()
            state = f"a finished run ({FINAL})" if finished else f"a run that was stopped ({found[0].name})"
            raise ConfigError(
                f"OUTPUT_DIR: {folder} holds {state}; --resume continues it, --overwrite removes it first, "
                "or choose another OUTPUT_DIR"
            )
        remove_temporaries(folder, TEMPORARY)
        config = folder / CONFIG
        if not (resume or overwrite) and config.exists() and not config.read_bytes().startswith(MARK.encode()):
            raise ConfigError(
                f"OUTPUT_DIR: {config} would be replaced, which no training has written; choose another OUTPUT_DIR"
            )
        yield


def remove_run(folder: str | os.PathLike[str]) -> None:
    """Remove what a training has written: checkpoints, configuration, log, quarantine and curves. Results of tests stay."""
    beside = [path for pattern in BESIDE for path in Path(folder).glob(pattern)]
    for path in [*checkpoints_in(folder), *beside]:
        path.unlink()
