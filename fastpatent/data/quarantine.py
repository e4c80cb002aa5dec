"""Images that cannot be read: how many a run passes over, and which they were."""

import csv
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from fastpatent import distributed
from fastpatent.data.records import Sample
from fastpatent.data.tables import read_csv, write_csv
from fastpatent.errors import DataError
from fastpatent.files import write_atomically
from fastpatent.text import escaped

FILE = "quarantine.csv"
COLUMNS = ["path", "reason", "count"]
logger = logging.getLogger(__name__)


def most_broken(share: float, images: int) -> int:
    """Return how many of some images may be unreadable: a share, rounded up, but one at least must be readable."""
    return min(math.ceil(share * images - 1e-9), images - 1)


class Quarantine:
    """The unreadable images among some samples.

    Args:
        samples: the images that are read.
        share: which of them may be unreadable, 0..1; the number is rounded up, and one image at least must be readable.
        instead: what happens in the place of such an image, in words.
        folder: where quarantine.csv is written, by the first process, each time that an image is found; None: nowhere.
        resumed: whether the rows of an earlier part of the run are read from there; they do not count against `share`.

    Attributes:
        found: {path: reason} of what this process has found.
        file: quarantine.csv; None writes nothing.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        share: float = 0.0,
        instead: str = "",
        folder: str | os.PathLike[str] | None = None,
        resumed: bool = False,
    ) -> None:
        self.samples, self.instead = samples, instead
        self.limit = most_broken(share, len(samples))
        self.found: dict[str, str] = {}
        self.file = None if folder is None else Path(folder) / FILE
        self._earlier = _read(self.file) if self.file and resumed else {}
        self._counts: dict[str, int] = {}

    def add(self, broken: Mapping[int, str]) -> None:
        """Note that images could not be read, {index of the sample: reason}; a new one is logged.

        Raises:
            DataError: there are more than `share` allows.
        """
        for index, reason in broken.items():
            path = self.samples[index].path
            self._counts[path] = self._counts.get(path, 0) + 1
            if path in self.found:
                continue
            if len(self.found) >= self.limit:
                allowed = f"; DATALOADER.MAX_BROKEN allows {self.limit} of {len(self.samples)} images" if self.limit else ""
                raise DataError(f"{reason}{allowed}")
            self.found[path] = reason
            logger.warning(f"{reason}; {self.instead}")
            if self.file and distributed.rank() == 0:
                self._write([self._rows()])

    def finish(self) -> None:
        """Write quarantine.csv with what all processes have found, and log how many images it has; all must call this."""
        parts = distributed.collect(self._rows())
        if parts and any(parts) and self.file:
            count = self._write(parts)
            logger.warning(f"{count} images could not be read and were replaced in training: {self.file}")

    def _rows(self) -> list[tuple[str, str, int]]:
        return [(escaped(path), escaped(reason), self._counts[path]) for path, reason in self.found.items()]

    def _write(self, parts: Sequence[Sequence[tuple[str, str, int]]]) -> int:
        """Write the rows of all processes and of the earlier part of the run; return how many images these are."""
        rows = dict(self._earlier)
        for path, reason, count in (row for part in parts for row in part):
            rows[path] = reason, count + rows.get(path, ("", 0))[1]

        assert self.file, "only a quarantine with a folder writes"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        table = [COLUMNS, *([path, *row] for path, row in rows.items())]
        write_atomically(self.file, lambda temporary: write_csv(temporary, table))
        return len(rows)


def _read(path: Path) -> dict[str, tuple[str, int]]:
    """Return {path: (reason, count)} of a quarantine.csv; empty where there is none or it is damaged."""
    try:
        return {row["path"]: (row["reason"], int(row["count"])) for row in read_csv(path)}
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}
