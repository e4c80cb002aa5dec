"""The folder of a training run: one run at a time in it, and no run replaces another unless it is asked to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastpatent.config.in_use import CONFIG, FINAL, MARK
from fastpatent.data.lock import only_writer
from fastpatent.engine.checkpoint import LAST, checkpoints_in
from fastpatent.engine.run_record import HISTORY, RUN
from fastpatent.errors import ConfigError
from fastpatent.files import head, make_folder, remove_files, remove_temporaries

# what a training writes beside checkpoints; the one with the mark is removed last, so that a kill in between disowns nothing
BESIDE = (LAST, "log.txt", "quarantine.csv", "events.out.tfevents.*", RUN, HISTORY, CONFIG)
REPLACED = (LAST, CONFIG, "quarantine.csv", RUN, HISTORY)  # of these, what a training replaces
TEMPORARY = ("model_*.pth", *REPLACED)  # what a kill may leave half written


@contextmanager
def own_run_folder(folder: str | os.PathLike[str], resume: bool = False, overwrite: bool = False) -> Iterator[None]:
    """Make OUTPUT_DIR where it is missing and lock it while the block trains in it.

    Args:
        folder: OUTPUT_DIR.
        resume: the run in it is continued.
        overwrite: the run in it will be removed by `remove_run`.

    Raises:
        ConfigError: the folder has the checkpoints of a run, and neither `resume` nor `overwrite` is given; or files of a
            run's names that no training has written, which would be replaced or removed.
        DataError: another process trains in it, the folder cannot be made, or one of its files is a link or a FIFO.
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
        older = resume and bool(found)  # runs of older versions have no mark, and their checkpoints are read first
        foreign = [*found, *(folder / name for name in REPLACED if os.path.lexists(folder / name))]
        if foreign and not older and not _has_mark(folder):
            raise ConfigError(
                f"OUTPUT_DIR: {foreign[0]} would be replaced, and no training has written it, for {folder} has no {CONFIG} "
                "of one; choose another OUTPUT_DIR"
            )
        remove_temporaries(folder, TEMPORARY)
        yield


def _has_mark(folder: Path) -> bool:
    """Return whether a training has written the folder's configuration."""
    try:
        return head(folder / CONFIG).startswith(MARK.encode())
    except FileNotFoundError:
        return False


def remove_run(folder: str | os.PathLike[str]) -> None:
    """Remove what a training has written: checkpoints, configuration, records, log, quarantine and curves.

    Results of tests stay.
    """
    if _has_mark(Path(folder)):
        remove_files([*checkpoints_in(folder), *(path for pattern in BESIDE for path in Path(folder).glob(pattern))])
