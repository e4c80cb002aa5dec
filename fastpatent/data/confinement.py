"""Images stay in the folder of the data: links, and paths in lists and tables, that lead out of it are found and refused.

Paths are compared as the file system resolves them, so the folder itself may be a link. Hard links cannot be told apart.
"""

import errno
import os
from collections.abc import Mapping, Sequence

from yacs.config import CfgNode

from fastpatent.data.records import PARTS, Splits
from fastpatent.errors import DataError

OUTSIDE = "image or folder that leads out of the data"  # kind of fault in `Splits.skipped`


class Confinement:
    """Tells which files lie outside of a folder. A folder is resolved once, so a file costs one question of the file system.

    Args:
        root: the folder; None: nothing is outside.
    """

    def __init__(self, root: str | os.PathLike[str] | None) -> None:
        self._prefix = "" if root is None else os.path.join(os.path.realpath(root), "")
        self._folders: dict[str, str | None] = {"": ""}  # real paths

    def holds(self, real: str) -> bool:
        """Return whether a file or folder, given by its real path, lies inside, or is the folder itself."""
        return f"{real}/".startswith(self._prefix)

    def target(self, path: str) -> str | None:
        """Return the real path of a file that lies outside; None of one inside, or that has too many links to be opened."""
        if not self._prefix:
            return None
        real = self._real(path)
        return None if real is None or self.holds(real) else real

    def check(self, path: str, of: str, remedy: str) -> None:
        """Raise DataError for a file or folder outside; `of` is what it leads out of, in words, and `remedy` what to do."""
        if target := self.target(path):
            raise DataError(f"{path}: leads out of {of}, to {target}; {remedy}")

    def _real(self, path: str) -> str | None:
        folder, separator, name = path.rpartition("/")
        if not separator or name in ("", ".", "..") or os.path.islink(path):
            return _resolved(path)
        if folder not in self._folders:
            self._folders[folder] = _resolved(folder)
        above = self._folders[folder]
        return None if above is None else f"{above}/{name}"


def _resolved(path: str) -> str | None:
    """Return a real path; None of more links than the system follows, 40, where Python would follow any number."""
    try:
        os.stat(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
    return os.path.realpath(path)


def confined_to(cfg: CfgNode) -> str | None:
    """Return the folder that images may not leave, DATASETS.ROOT; None where DATASETS.FOLLOW_LINKS allows it."""
    return None if cfg.DATASETS.FOLLOW_LINKS else cfg.DATASETS.ROOT


def remove_outside(splits: Splits, confinement: Confinement) -> None:
    """Move the images of a data set that lie outside from its parts to `skipped`."""
    targets = {sample.path: confinement.target(sample.path) for part in PARTS for sample in getattr(splits, part)}
    cases = [path if path == target else f"{path} -> {target}" for path, target in targets.items() if target]
    if cases:
        splits.skipped.setdefault(OUTSIDE, []).extend(cases)
        for part in PARTS:
            setattr(splits, part, [sample for sample in getattr(splits, part) if not targets[sample.path]])


def refuse_outside(skipped: Mapping[str, Sequence[str]], name: str) -> None:
    """Raise DataError where something of a data set, or of a folder, called `name` was skipped as OUTSIDE."""
    if cases := skipped.get(OUTSIDE):
        raise DataError(
            f"{name}: {len(cases)} x {OUTSIDE}, first {cases[0]}; where you trust its links and listed paths, set "
            "DATASETS.FOLLOW_LINKS True"
        )
